/** The headers of uvicorn's answers; `date` comes from Node. */
export function answerHeaders(contentType?: string): Record<string, string> {
  return { server: 'uvicorn', ...(contentType ? { 'content-type': contentType } : {}), vary: 'Origin' };
}
