import { Controller, Get } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { OpenAPIObject } from '@nestjs/swagger';
import { Roles } from '../common/access.decorator';
import { ApiDocument } from './api-document';

/** The document with DOCS_ACCESS=admin: behind the same guards as every other route. */
@ApiTags('Health')
@Roles('admin')
@Controller('docs-json')
export class DocsController {
  constructor(private readonly document: ApiDocument) {}

  @Get()
  @ApiOperation({ summary: 'This document' })
  @ApiOkResponse({ schema: { type: 'object' } })
  show(): OpenAPIObject {
    return this.document.whole();
  }
}
