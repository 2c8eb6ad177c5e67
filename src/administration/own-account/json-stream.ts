/** A list that is read page by page. */
export type Pages = AsyncIterable<readonly unknown[]>;

/** The text of one JSON object: some members at once, then lists, each row on a line of its own, as they are read. */
export async function* jsonObject(
  members: Readonly<Record<string, unknown>>,
  lists: Readonly<Record<string, Pages>>,
): AsyncGenerator<string> {
  yield JSON.stringify(members).slice(0, -1);
  for (const [name, pages] of Object.entries(lists)) {
    yield `,\n${JSON.stringify(name)}: [`;
    let separator = '\n';
    for await (const rows of pages) {
      if (rows.length === 0) continue;
      yield separator + rows.map((row) => JSON.stringify(row)).join(',\n');
      separator = ',\n';
    }
    yield ']';
  }
  yield '}\n';
}
