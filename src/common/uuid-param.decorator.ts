import { ArgumentMetadata, Param, ParseUUIDPipe } from '@nestjs/common';
import { ApiParam } from '@nestjs/swagger';
import { ApiException } from './api.exception';

/** Paths may write an id in capitals; PostgreSQL does not, and what it answers is looked up by the id. */
class LowerCaseUuidPipe extends ParseUUIDPipe {
  override async transform(value: string, metadata: ArgumentMetadata): Promise<string> {
    await super.transform(value, metadata);
    return value.toLowerCase();
  }
}

/** An id in the path; one that is no UUID is refused by its name, and the document says so (document.ts). */
export const UuidParam =
  (name: string): ParameterDecorator =>
  (target, key, index) => {
    Param(name, new LowerCaseUuidPipe({ exceptionFactory: () => notUuid(name) }))(target, key, index);
    const method = key === undefined ? undefined : Object.getOwnPropertyDescriptor(target, key);
    if (key !== undefined && method) ApiParam({ name, format: 'uuid' })(target, key, method);
  };

export const notUuidMessage = (name: string): string =>
  `${name} in the path must be a UUID, as the lists show it`;

const notUuid = (name: string): ApiException =>
  new ApiException({ status: 400, code: 'invalid_request', param: name, message: notUuidMessage(name) });
