import { ArgumentMetadata, BadRequestException, ValidationError, ValidationPipe } from '@nestjs/common';

interface FieldError {
  readonly field: string;
  readonly message: string;
}

class InvalidFields extends BadRequestException {
  constructor(readonly fields: readonly FieldError[]) {
    super({ message: 'Invalid request', errors: fields });
  }
}

/** What is said of a field or a parameter that is not listed. */
export const notTaken = (field: string): string => `this route does not take ${field}`;

/** Bodies and queries of management routes: only listed fields, strict types, every fault named. */
export function managementValidation(): ValidationPipe {
  return new ManagementValidation({
    whitelist: true,
    forbidNonWhitelisted: true,
    forbidUnknownValues: true,
    transform: true,
    transformOptions: { enableImplicitConversion: false },
    stopAtFirstError: true,
    exceptionFactory: (errors) => new InvalidFields(flatten(errors)),
  });
}

/**
 * class-validator looks for a field among the members of a plain object, which has toString and others from its prototype,
 * and class-transformer leaves constructor and __proto__ out: such fields would pass for listed ones.
 */
class ManagementValidation extends ValidationPipe {
  override async transform(value: unknown, metadata: ArgumentMetadata): Promise<unknown> {
    const inherited = this.toValidate(metadata) ? takeInherited(value) : [];
    if (inherited.length === 0) return super.transform(value, metadata);
    const others = await super.transform(value, metadata).then(() => [], fieldsOf);
    throw new InvalidFields([...inherited, ...others]);
  }
}

/** Takes the fields out that are named like a member of every object. None goes on: the request is refused. */
function takeInherited(value: unknown, path = ''): FieldError[] {
  if (typeof value !== 'object' || value === null) return [];
  const members = value as Record<string, unknown>;
  return Object.keys(members).flatMap((name) => {
    const field = path ? `${path}.${name}` : name;
    if (!(name in Object.prototype)) return takeInherited(members[name], field);
    delete members[name];
    return [{ field, message: notTaken(field) }];
  });
}

function fieldsOf(error: unknown): readonly FieldError[] {
  if (error instanceof InvalidFields) return error.fields;
  throw error;
}

function flatten(errors: ValidationError[], path = ''): FieldError[] {
  return errors.flatMap((error) => {
    const field = path ? `${path}.${error.property}` : error.property;
    const own = Object.entries(error.constraints ?? {}).map(([rule, message]) => ({
      field,
      message: rule === 'whitelistValidation' ? notTaken(field) : message,
    }));
    return [...own, ...flatten(error.children ?? [], field)];
  });
}
