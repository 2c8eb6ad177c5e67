import { Module } from '@nestjs/common';
import { ProxyModule } from '../proxy/proxy.module';
import { HealthController } from './health.controller';
import { Readiness } from './readiness';

@Module({
  imports: [ProxyModule],
  controllers: [HealthController],
  providers: [Readiness],
  exports: [Readiness],
})
export class HealthModule {}
