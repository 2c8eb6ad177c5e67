import { Module } from '@nestjs/common';
import { HotStatements } from '../../database/hot-statements';
import { CurrentRates } from './current-rates.service';
import { RateLimitHeaders } from './rate-limit-headers.interceptor';

/** What is left of the limits, told on answers that never came to admission. */
@Module({
  providers: [HotStatements, CurrentRates, RateLimitHeaders],
  exports: [CurrentRates, RateLimitHeaders],
})
export class RatesModule {}
