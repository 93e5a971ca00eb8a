/** Numbers, sizes, ages and times as text, on the platform's `Intl`. */

export * from './format.js';
