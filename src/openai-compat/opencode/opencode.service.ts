import { Injectable } from '@nestjs/common';
import type { Principal } from '../../common/principal';
import { Env } from '../../config/env';
import { ModelsService } from '../models.service';
import { KEY_FROM_ENVIRONMENT, OpencodeConfig, opencodeConfig } from './opencode-config';
import { OpencodeLogin, opencodeLogin } from './opencode-login';

/** What opencode needs to know of this gateway. */
@Injectable()
export class OpencodeService {
  constructor(
    private readonly models: ModelsService,
    private readonly env: Env,
  ) {}

  /** @throws ApiException 502 when vLLM has never been reached */
  async config(principal: Principal): Promise<OpencodeConfig> {
    const { data: models } = await this.models.listWriting(principal);
    return opencodeConfig({ baseUrl: this.env.publicUrl, apiKey: KEY_FROM_ENVIRONMENT, models });
  }

  login(): OpencodeLogin {
    return opencodeLogin(this.env.publicUrl);
  }
}
