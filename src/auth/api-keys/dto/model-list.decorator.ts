import { applyDecorators } from '@nestjs/common';
import { ArrayMaxSize, ArrayMinSize, ArrayUnique, IsArray } from 'class-validator';
import { IsPlainText } from '../../../common/plain-text.decorator';

/** Public names of models, at least one. */
export const IsModelList = (): PropertyDecorator =>
  applyDecorators(
    IsArray(),
    ArrayMinSize(1, { message: 'models must name at least one model; null is all' }),
    ArrayMaxSize(100),
    ArrayUnique(),
    IsPlainText(256, { each: true }),
  );
