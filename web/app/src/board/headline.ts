/**
 * A headline number: digits that change slide in from the direction the number moved in.
 *
 * The text is ordinary text, one element per character; only transform and opacity move, which costs the page nothing.
 */

const SLIDE_MS = 180;

export class Headline {
  readonly #element: HTMLElement;
  readonly #still = matchMedia('(prefers-reduced-motion: reduce)');
  #text = '';
  #value: number | null = null;

  /** `element` holds nothing but this number from now on. */
  constructor(element: HTMLElement) {
    this.#element = element;
  }

  show(text: string, value: number | null): void {
    if (text === this.#text) {
      return;
    }
    const up = value === null || this.#value === null ? 0 : Math.sign(value - this.#value);
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
    if (element.textContent === character) {
      return;
    }
    element.textContent = character;
    if (up !== 0 && !this.#still.matches) {
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
