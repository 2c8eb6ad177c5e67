import { Module } from '@nestjs/common';
import { CurrentRates } from './current-rates.service';
import { RateLimitHeaders } from './rate-limit-headers.interceptor';

/** What is left of the limits, told on answers that never came to admission. */
@Module({
  providers: [CurrentRates, RateLimitHeaders],
  exports: [CurrentRates, RateLimitHeaders],
})
export class RatesModule {}
