import { applyDecorators } from '@nestjs/common';
import { ApiProblem } from '../common/api-problem.decorator';

/** Documents what a route fails with that needs vLLM's list of models, as long as none has been read. */
export const NeedsModels = (): MethodDecorator & ClassDecorator =>
  applyDecorators(
    ApiProblem(502, 'upstream_unreachable', 'The model server cannot be reached. Retry in a moment.'),
    ApiProblem(
      503,
      'overloaded',
      'The gateway has no room for another connection at the moment. Send this request again shortly.',
    ),
  );
