import { Module } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { AdmissionModule } from '../../usage/admission/admission.module';
import { OverloadGuard } from './overload.guard';
import { Overload } from './overload.service';

/** Comes before the modules whose guards ask who calls: a refusal for overload must cost next to nothing. */
@Module({
  imports: [AdmissionModule],
  providers: [Overload, { provide: APP_GUARD, useClass: OverloadGuard }],
})
export class OverloadModule {}
