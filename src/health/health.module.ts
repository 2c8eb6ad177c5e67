import { Module } from '@nestjs/common';
import { ProxyModule } from '../proxy/proxy.module';
import { AdmissionModule } from '../usage/admission/admission.module';
import { HealthController } from './health.controller';
import { Readiness } from './readiness';

@Module({
  imports: [AdmissionModule, ProxyModule],
  controllers: [HealthController],
  providers: [Readiness],
  exports: [Readiness],
})
export class HealthModule {}
