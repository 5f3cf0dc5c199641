import type { CsvError } from 'csv-parse';

/** A fault after which a CSV cannot be parsed any further. */
export interface CsvFault {
  /** Index of the cell at fault. */
  readonly cell: number;
  readonly message: string;
  /** Whether the row is only too long. */
  readonly tooLarge: boolean;
}

const RULE =
  'a cell with quotes, delimiters or line breaks is enclosed in quotes, and each quote within it is written twice: "say ""yes"""';

/** Describes a fault that csv-parse found in the words of the file's author. */
export function csvFault(error: CsvError, maxRowBytes: number): CsvFault {
  const column: unknown = error['column'];
  const cell = typeof column === 'number' ? column : 0;
  switch (error.code) {
    case 'CSV_MAX_RECORD_SIZE':
      return {
        cell,
        tooLarge: true,
        message: `expected a row of at most ${maxRowBytes} bytes; perhaps a closing quote is missing`,
      };
    case 'CSV_QUOTE_NOT_CLOSED':
      return {
        cell,
        tooLarge: false,
        message: 'expected a closing quote; the cell that opens here never ends',
      };
    case 'CSV_INVALID_CLOSING_QUOTE':
      return { cell, tooLarge: false, message: `found text after the closing quote of a cell; ${RULE}` };
    case 'INVALID_OPENING_QUOTE':
      return {
        cell,
        tooLarge: false,
        message: `found a quote within a cell that does not start with one; ${RULE}`,
      };
    default:
      return { cell, tooLarge: false, message: `expected CSV (RFC 4180); ${RULE}` };
  }
}
