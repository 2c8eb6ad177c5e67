import { ApiException } from '../../common/api.exception';
import { GivenLimit, isSameCounter, monthlyTokens } from '../../users/first-limits';
import type { CreateInvitation, InvitationLimitView, InvitedLimit } from './invitation.dto';

/**
 * All limits an invitation gives, token_limit first.
 * @throws ApiException 400 when two of them are on one counter
 */
export function givenLimits({ token_limit: cap, limits = [] }: LimitsOfInvitation): GivenLimit[] {
  const given = [...(cap === undefined ? [] : [monthlyTokens(cap)]), ...(limits ?? []).map(toGiven)];
  const isRepeated = given.some((limit, index) =>
    given.slice(0, index).some((one) => isSameCounter(one, limit)),
  );
  if (!isRepeated) return given;
  throw new ApiException({
    status: 400,
    code: 'invalid_request',
    param: 'limits',
    message:
      'limits must name each metric, window and model once; token_limit is the tokens a month of all models',
  });
}

export function toLimitView({ metric, period, model, amount }: GivenLimit): InvitationLimitView {
  return {
    metric,
    window: metric === 'concurrent_requests' ? null : period,
    model: model === '' ? null : model,
    amount,
  };
}

type LimitsOfInvitation = Pick<CreateInvitation, 'token_limit' | 'limits'>;

/** Concurrent requests have no window; their one counter is kept as total. */
function toGiven({ metric, window, model, amount }: InvitedLimit): GivenLimit {
  const period = metric === 'concurrent_requests' ? 'total' : (window ?? 'total');
  return { metric, period, model: model ?? '', amount };
}
