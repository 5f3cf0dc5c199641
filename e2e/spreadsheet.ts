import { parse } from 'csv-parse/sync';
import { stringify } from 'csv-stringify/sync';

/** A row of a spreadsheet: title of its column → cell. */
export type Row = Record<string, string>;

/** A CSV as a person has it open in a spreadsheet. */
export interface Sheet {
  readonly titles: readonly string[];
  readonly rows: Row[];
}

/** Opens a CSV. A byte order mark before it is no part of the first title. */
export function openSheet(text: string, delimiter: string): Sheet {
  const [titles = [], ...rows] = parse(text, { delimiter, bom: true });
  return {
    titles,
    rows: rows.map((cells) => Object.fromEntries(titles.map((title, i) => [title, cells[i] ?? '']))),
  };
}

/** Saves a sheet as a spreadsheet of a German office does: a byte order mark, semicolons and CRLF. */
export function savedSheet({ titles, rows }: Sheet): string {
  const columns = [...titles];
  return stringify([columns, ...rows.map((row) => columns.map((title) => row[title] ?? ''))], {
    delimiter: ';',
    record_delimiter: '\r\n',
    bom: true,
  });
}
