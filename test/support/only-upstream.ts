import { Upstream } from '../../src/proxy/upstream/upstream';
import { Upstreams } from '../../src/proxy/upstream/upstreams.service';
import type { TestGateway } from './gateway';

/** A gateway's one vLLM, as it sees it. */
export const onlyUpstream = ({ app }: TestGateway): Upstream =>
  app.get(Upstreams, { strict: false }).all[0] as Upstream;
