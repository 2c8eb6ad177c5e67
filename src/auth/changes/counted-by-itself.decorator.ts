import { SetMetadata } from '@nestjs/common';

export const COUNTED_BY_ITSELF = 'counted-by-itself';

/** A changing route that the guard does not count: its service does, once the password has been confirmed. */
export const CountedByItself = () => SetMetadata(COUNTED_BY_ITSELF, true);
