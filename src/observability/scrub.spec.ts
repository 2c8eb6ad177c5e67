import { scrub } from './scrub';

describe('scrub', () => {
  it.each([
    ['an API key', 'GET /v1/llmk_nFlQJudjK71me983W6nDiYPIV7RvKQiVIRW5NCz4q330eVpZl', 'nFlQJud'],
    ['a refresh token', 'token llmr_AaIJA61PdBGr2487NueGNgAAAADhzOsulqpQVnx4S27Y', 'AaIJA61'],
    ['an invitation', 'GET /auth/register%23llmi_Qw8mXr2bN6cZ1aLh4sPd7eGf9uKi', 'Qw8mXr2'],
    ['a password link', 'GET /auth/password-reset/llmp_Qw8mXr2bN6cZ1aLh4sPd7eGf9uKi', 'Qw8mXr2'],
    ['a JWT', 'jwt eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTYifQ.s5xk2Tn8 malformed', 's5xk2Tn8'],
    ['a bearer credential of any form', 'Authorization: Bearer abcdef123456', 'abcdef123456'],
    ['the password inside a URL', 'connect to postgres://gateway:hunter2@db:5432/x failed', 'hunter2'],
  ])('takes out %s', (_what, text, secret) => {
    expect(scrub(text)).not.toContain(secret);
  });

  it('leaves ordinary text alone', () => {
    const text = 'Metrics at http://127.0.0.1:9464/metrics for 019aae2c-5f3e-7a10-8d4f-6b3a0e2f9c11';
    expect(scrub(text)).toBe(text);
  });
});
