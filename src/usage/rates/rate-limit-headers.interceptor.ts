import { CallHandler, ExecutionContext, Injectable, NestInterceptor } from '@nestjs/common';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { from, lastValueFrom, Observable } from 'rxjs';
import type { Principal } from '../../common/principal';
import { CurrentRates } from './current-rates.service';

/** `x-ratelimit-*` on the answers and refusals of a route that generates nothing; looked up beside its own work. */
@Injectable()
export class RateLimitHeaders implements NestInterceptor {
  constructor(private readonly rates: CurrentRates) {}

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const http = context.switchToHttp();
    const { user } = http.getRequest<IncomingMessage & { user: Principal }>();
    const told = this.rates.tell(user, http.getResponse<ServerResponse>());
    return from(lastValueFrom(next.handle()).finally(() => told));
  }
}
