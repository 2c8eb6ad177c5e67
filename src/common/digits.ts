/** A query is text: only plain digits are a number. For class-transformer's @Transform. */
export const digits = ({ value }: { value: unknown }): unknown =>
  typeof value === 'string' && /^\d{1,9}$/.test(value) ? Number(value) : value;
