/**
 * A headline number: digits that change slide in from the direction the number moved in.
 *
 * The text is ordinary text, one element per character; only transform and opacity move, which lays nothing out again.
 */

import { setText } from '../shared/text';

const SLIDE_MS = 180;
/**
 * A number that did not stand still for so long changes in place: digits that are always on their way cannot be read, and each is a
 * layer of the page while it moves.
 */
const REST_MS = 600;

export class Headline {
  readonly #element: HTMLElement;
  readonly #still = matchMedia('(prefers-reduced-motion: reduce)');
  #text = '';
  #value: number | null = null;
  #changedAt_ms = Number.NEGATIVE_INFINITY;

  /** `element` holds nothing but this number from now on. */
  constructor(element: HTMLElement) {
    this.#element = element;
  }

  show(text: string, value: number | null): void {
    if (text === this.#text) {
      return;
    }
    const now_ms = performance.now();
    const slides = !this.#still.matches && now_ms - this.#changedAt_ms >= REST_MS;
    const up = !slides || value === null || this.#value === null ? 0 : Math.sign(value - this.#value);
    this.#changedAt_ms = now_ms;
    // Other digits than before in number stand elsewhere, so there is nothing to slide from.
    const sameShape = text.length === this.#text.length && this.#element.children.length === text.length;
    if (sameShape) {
      for (const [index, character] of [...text].entries()) {
        this.#change(this.#element.children[index] as HTMLElement, character, up);
      }
    } else {
      this.#element.replaceChildren(...[...text].map(characterElement));
    }
    this.#text = text;
    this.#value = value;
  }

  #change(element: HTMLElement, character: string, up: number): void {
    if (setText(element, character) && up !== 0) {
      const from = { transform: `translateY(${0.28 * up}em)`, opacity: 0.25 };
      element.animate([from, { transform: 'none', opacity: 1 }], { duration: SLIDE_MS, easing: 'ease-out' });
    }
  }
}

function characterElement(character: string): HTMLElement {
  const element = document.createElement('span');
  element.className = 'digit';
  element.textContent = character;
  return element;
}
