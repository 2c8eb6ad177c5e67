import { HttpModule } from '@nestjs/axios';
import { Module } from '@nestjs/common';
import { AdmissionModule } from '../usage/admission/admission.module';
import { RatesModule } from '../usage/rates/rates.module';
import { ChatController } from './chat.controller';
import { LiveRequests } from './live-requests';
import { MeteringInterceptor } from './metering.interceptor';
import { RelayService } from './relay/relay.service';
import { StallWatch } from './relay/stall-watch';
import { CacheSalts } from './request/cache-salts';
import { ChatCounts } from './request/chat-counts';
import { GrammarLimit } from './request/grammar-limit';
import { PooledOverheads } from './request/pooled-overheads';
import { PromptCounter } from './request/prompt-counter';
import { RequestIntake } from './request/request-intake';
import { TemplateOverheads } from './request/template-overheads';
import { ReservationService } from './reservation.service';
import { ModelCatalogue } from './upstream/model-catalogue';
import { UpstreamStates } from './upstream/upstream-states.service';
import { UpstreamsController } from './upstream/upstreams.controller';
import { UpstreamClient } from './upstream/upstream.client';
import { Upstreams } from './upstream/upstreams.service';

const metering = [
  RequestIntake,
  ReservationService,
  PromptCounter,
  ChatCounts,
  TemplateOverheads,
  PooledOverheads,
  LiveRequests,
  RelayService,
  MeteringInterceptor,
];

/** The wire to vLLM: what may go there, how it comes back, and what it costs. */
@Module({
  imports: [HttpModule, AdmissionModule, RatesModule],
  controllers: [ChatController, UpstreamsController],
  providers: [
    CacheSalts,
    GrammarLimit,
    ...metering,
    StallWatch,
    UpstreamClient,
    Upstreams,
    UpstreamStates,
    ModelCatalogue,
  ],
  exports: [...metering, AdmissionModule, RatesModule, ModelCatalogue, Upstreams],
})
export class ProxyModule {}
