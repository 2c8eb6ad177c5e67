import { ApiException } from '../../common/api.exception';

/** Final, and worded so: a client that repeats it would undo what the administrator wanted. */
export const requestEnded = (): ApiException =>
  new ApiException({
    status: 403,
    code: 'request_ended',
    type: 'permission_error',
    message: 'An administrator has ended this request. Ask an administrator before sending it again.',
  });
