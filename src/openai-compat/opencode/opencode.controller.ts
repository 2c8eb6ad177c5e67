import { Controller, Get, Header } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { Public, SessionOrApiKey } from '../../common/access.decorator';
import { CurrentPrincipal } from '../../common/current-principal.decorator';
import type { Principal } from '../../common/principal';
import { NeedsModels } from '../needs-models.decorator';
import { OpencodeConfig } from './opencode-config';
import { OpencodeLogin } from './opencode-login';
import { OpencodeService } from './opencode.service';

/** Long enough for a start in every terminal of a team, short enough for a changed PUBLIC_URL. */
const LOGIN_CACHE = 'public, max-age=300';

/** Sets up opencode without typing. */
@ApiTags('Set-up')
@Controller()
export class OpencodeController {
  constructor(private readonly opencode: OpencodeService) {}

  @Get('connect/opencode.json')
  @SessionOrApiKey()
  @ApiOperation({
    summary: 'My opencode.json',
    description:
      'Complete, for the models this caller may use. It holds no secret: where the key belongs stands ' +
      '`{env:LLM_API_KEY}`, which opencode replaces by that variable when it starts.',
  })
  @ApiOkResponse({ type: OpencodeConfig })
  @NeedsModels()
  config(@CurrentPrincipal() principal: Principal): Promise<OpencodeConfig> {
    return this.opencode.config(principal);
  }

  @Get('.well-known/opencode')
  @Public()
  @Header('cache-control', LOGIN_CACHE)
  @ApiOperation({
    summary: 'For opencode auth login',
    description: 'Tells `opencode auth login <url of this gateway>` where the configuration is.',
  })
  @ApiOkResponse({ type: OpencodeLogin })
  login(): OpencodeLogin {
    return this.opencode.login();
  }

  @Get('v1/.well-known/opencode')
  @Public()
  @Header('cache-control', LOGIN_CACHE)
  @ApiOperation({
    summary: 'The same, for opencode auth login with the base URL',
    description: 'All other clients are given the address with /v1; opencode would crash on a 404 here.',
  })
  @ApiOkResponse({ type: OpencodeLogin })
  loginByBaseUrl(): OpencodeLogin {
    return this.opencode.login();
  }
}
