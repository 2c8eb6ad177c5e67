import { SetMetadata } from '@nestjs/common';

export const HOT_ROUTE = 'hot-route';

/** Serves a route of a constant path without Express: for the routes whose cost is multiplied by every request. */
export const HotRoute = () => SetMetadata(HOT_ROUTE, true);
