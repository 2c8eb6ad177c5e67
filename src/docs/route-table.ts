import type { INestApplication } from '@nestjs/common';
import { ModulesContainer, Reflector } from '@nestjs/core';
import { ACCESS, Access, ROLES } from '../common/access.decorator';
import { DocumentedFailure, documentedFailures } from '../common/api-problem.decorator';

/** What the guards and the document both know of a route, read from the same decorators. */
export interface DocumentedRoute {
  readonly access: Access;
  readonly roles: readonly string[];
  readonly failures: readonly DocumentedFailure[];
}

/** `usersShow` for `UsersController.show`: a name for generated clients, and in links to a route of the page. */
export function operationId(controller: string, method: string): string {
  const noun = controller.replace(/Controller$/, '');
  return noun.charAt(0).toLowerCase() + noun.slice(1) + method.charAt(0).toUpperCase() + method.slice(1);
}

/** All handlers of the application, by operation id. */
export function routeTable(app: INestApplication): ReadonlyMap<string, DocumentedRoute> {
  const reflector = app.get(Reflector);
  const routes = new Map<string, DocumentedRoute>();
  for (const module of app.get(ModulesContainer).values()) {
    for (const { metatype } of module.controllers.values()) {
      if (typeof metatype !== 'function') continue;
      const prototype = metatype.prototype as Record<string, unknown>;
      for (const name of Object.getOwnPropertyNames(prototype)) {
        const handler = prototype[name];
        if (typeof handler !== 'function' || name === 'constructor') continue;
        const owners = [handler, metatype] as Parameters<typeof reflector.getAllAndOverride>[1];
        routes.set(operationId(metatype.name, name), {
          access: reflector.getAllAndOverride<Access | undefined>(ACCESS, owners) ?? 'session',
          roles: reflector.getAllAndOverride<string[] | undefined>(ROLES, owners) ?? [],
          failures: documentedFailures(handler, metatype),
        });
      }
    }
  }
  return routes;
}
