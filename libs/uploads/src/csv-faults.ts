/** A fault of the quotes or the size of a row. */
export interface CsvFault {
  readonly code: 'INVALID_ROW' | 'ENTITY_TOO_LARGE';
  /** 0-based index of the cell at fault. */
  readonly cell: number;
  readonly message: string;
  /** Whether nobody knows where the next row starts. */
  readonly fatal: boolean;
}

const RULE =
  'a cell with quotes, delimiters or line breaks is enclosed in quotes, and each quote within it is written twice: "say ""yes"""';

export function tooLargeFault(cell: number, maxRowBytes: number): CsvFault {
  const message = `expected a row of at most ${maxRowBytes} bytes; perhaps a closing quote is missing`;
  return { code: 'ENTITY_TOO_LARGE', cell, message, fatal: false };
}

export function quoteNotClosedFault(cell: number): CsvFault {
  return invalid(cell, 'expected a closing quote; the cell that opens here never ends');
}

export function closingQuoteFault(cell: number): CsvFault {
  return invalid(cell, `found text after the closing quote of a cell; ${RULE}`);
}

export function misplacedQuoteFault(cell: number): CsvFault {
  return invalid(cell, `found a quote within a cell that does not start with one; ${RULE}`);
}

function invalid(cell: number, message: string): CsvFault {
  return { code: 'INVALID_ROW', cell, message, fatal: false };
}
