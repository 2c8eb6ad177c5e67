import { ApiProperty } from '@nestjs/swagger';

export class Liveness {
  @ApiProperty({ enum: ['ok'] }) status: 'ok';
}

export class ReadinessReport {
  @ApiProperty({ enum: ['ok', 'unavailable', 'draining'], example: 'ok' })
  status: 'ok' | 'unavailable' | 'draining';
  @ApiProperty({
    enum: ['up', 'down'],
    example: 'up',
    description: 'Down also while nothing can be written there; nothing is let in then',
  })
  database: 'up' | 'down';
  @ApiProperty({
    enum: ['up', 'down'],
    example: 'up',
    description: 'What settlements are kept in while the database is away; full or failed, nothing is let in',
  })
  spool: 'up' | 'down';
  @ApiProperty({ enum: ['up', 'down'], example: 'up', description: 'Told, but not needed to be ready' })
  upstream: 'up' | 'down';
}
