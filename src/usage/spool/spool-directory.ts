import { readdir } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { Env } from '../../config/env';
import { SpoolFile } from './spool-file';

/** The name under which the id of the database lies in the table `settings`. */
const ID_SETTING = 'database_id';

/**
 * Where spooled settlements lie: DATA_DIR/spool, in a folder for each database, a file a process. Gateways on several
 * databases may share a DATA_DIR, and each would take the processes of the others for dead. The id is made by chance and
 * kept in the database, so that a database that comes back from a backup finds what was spooled since then.
 */
@Injectable()
export class SpoolDirectory {
  private made?: Promise<string>;

  constructor(
    private readonly dataSource: DataSource,
    private readonly env: Env,
  ) {}

  /** The folder of this database; that it is there is not said. */
  own(): Promise<string> {
    this.made ??= this.idOfDatabase().then((id) => join(this.common, id));
    return this.made;
  }

  /** Where all files lay before there were folders: what is there belongs to the database of whoever finds it. */
  get common(): string {
    return join(resolve(this.env.DATA_DIR), 'spool');
  }

  /** Folders of other databases that something is left in, or may be. */
  async others(): Promise<string[]> {
    const own = basename(await this.own());
    const entries = await readdir(this.common, { withFileTypes: true });
    const folders = entries.filter((entry) => entry.isDirectory() && entry.name !== own);
    const paths = folders.map(({ name }) => join(this.common, name));
    const areEmpty = await Promise.all(paths.map(isEmpty));
    return paths.filter((_, index) => !areEmpty[index]);
  }

  private async idOfDatabase(): Promise<string> {
    const [row] = await this.dataSource.query<[{ value: string }]>(
      `INSERT INTO settings AS s (name, value) VALUES ($1, gen_random_uuid()::text)
       ON CONFLICT (name) DO UPDATE SET value = s.value RETURNING value`,
      [ID_SETTING],
    );
    return row.value;
  }
}

/** What cannot be read is none of ours, and not taken for empty. */
const isEmpty = (folder: string): Promise<boolean> =>
  SpoolFile.all(folder).then(
    (files) => files.length === 0,
    () => false,
  );
