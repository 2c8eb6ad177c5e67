/** True for what password guessers try first. */
export function isCommonPassword(password: string): boolean {
  return password.toLowerCase() === 'password1234';
}
