import type { OpenAPIObject, OperationObject } from '@nestjs/swagger';
import type { TestGateway } from './gateway';

/** For the place of an id in a path: nobody has it. */
export const NOBODYS_ID = '00000000-0000-7000-8000-000000000000';

const VERBS = ['get', 'put', 'post', 'delete', 'patch'] as const;

/** The operations of a document, as `GET /users/me`. */
export function operationsOf(document: OpenAPIObject): [name: string, operation: OperationObject][] {
  return Object.entries(document.paths).flatMap(([path, item]) =>
    VERBS.flatMap((verb): [string, OperationObject][] => {
      const operation = item[verb];
      return operation ? [[`${verb.toUpperCase()} ${path}`, operation]] : [];
    }),
  );
}

/** As the gateway serves it. */
export async function documentOf(gateway: TestGateway, credential = ''): Promise<OpenAPIObject> {
  const answer = await gateway.get('/docs-json', credential);
  expect(answer.status).toBe(200);
  return (await answer.json()) as OpenAPIObject;
}
