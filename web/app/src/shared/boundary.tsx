/** What cannot be drawn says so in its place, and the rest of the page goes on. */

import { Component, type ReactNode } from 'react';

export class Boundary extends Component<{ readonly children: ReactNode }, { readonly failed: boolean }> {
  override state = { failed: false };

  static getDerivedStateFromError() {
    return { failed: true };
  }

  override render(): ReactNode {
    return this.state.failed ? (
      <p className="panel-message" role="alert">
        This part could not be shown.
        <button type="button" className="button" onClick={() => location.reload()}>
          Load the page again
        </button>
      </p>
    ) : (
      this.props.children
    );
  }
}
