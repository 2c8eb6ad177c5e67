import { ValidateBy, ValidationArguments } from 'class-validator';

/** The window of a limit. Concurrent requests have none: one that is named would be a misunderstanding. */
export const IsLimitWindow = (windows: readonly string[]): PropertyDecorator =>
  ValidateBy({
    name: 'isLimitWindow',
    validator: {
      validate: (window: unknown, limit) =>
        hasNone(limit) ? (window ?? null) === null : windows.includes(window as string),
      defaultMessage: (limit) =>
        hasNone(limit)
          ? '$property must be left out, or null: concurrent_requests have none'
          : `$property must be one of the following values: ${windows.join(', ')}`,
    },
  });

function hasNone(limit: ValidationArguments | undefined): boolean {
  return (limit?.object as { metric?: unknown } | undefined)?.metric === 'concurrent_requests';
}
