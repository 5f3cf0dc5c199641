export { csvEntities, type CsvOptions } from './csv.ts';
export { UnknownCharsetError, utf8Of } from './encoding.ts';
export { escapeFormulas } from './formulas.ts';
export { parseJson, type ParsedJson } from './json-text.ts';
export { ndjsonEntities, type NdjsonOptions } from './ndjson.ts';
export { quoted } from './visible.ts';
