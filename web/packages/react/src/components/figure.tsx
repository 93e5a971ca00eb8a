'use client';
/** The frame of a picture that draws itself: title, what is wrong if something is, and the place for its canvas. */

import type { CSSProperties, Ref } from 'react';
import { classes, HonestBody, type LiveProps, NoticeMark, type useNotice } from '../shared/honest.js';

export interface FigureProps {
  /** Where the picture draws. */
  readonly host: Ref<HTMLDivElement>;
  readonly title: string | undefined;
  /** What a screen reader says without a title. */
  readonly label: string;
  readonly live: LiveProps;
  readonly notice: ReturnType<typeof useNotice>;
  readonly hasData: boolean;
  readonly height: number | string;
  readonly className: string | undefined;
  readonly style: CSSProperties | undefined;
}

export function Figure({ host, title, label, live, notice, hasData, height, className, style }: FigureProps) {
  return (
    <figure className={classes('pb-figure', className)} style={style}>
      {title === undefined && notice === null ? null : (
        <figcaption className="pb-head">
          <span className="pb-title">{title}</span>
          <NoticeMark notice={notice} />
        </figcaption>
      )}
      <div className="pb-figure-place" style={{ height }}>
        <HonestBody live={live} notice={notice} hasData={hasData}>
          <div ref={host} className="pb-host" role="img" aria-label={title ?? label} />
        </HonestBody>
      </div>
    </figure>
  );
}
