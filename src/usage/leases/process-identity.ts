import { Injectable } from '@nestjs/common';
import { v7 as uuidV7 } from 'uuid';

/** Names this process in the rows of the requests it has open. */
@Injectable()
export class ProcessIdentity {
  readonly id: string = uuidV7();
}
