/** RFC 3339, in which times are answered, has no year after this one; an offset or the end of a day can lead there. */
export const LAST_INSTANT = '9999-12-31T23:59:59.999Z';
