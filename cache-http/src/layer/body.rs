//! The body of a response: one from the cache, one that goes through, or one whose beginning was looked at. And how that
//! beginning is read.

use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes, BytesMut};
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};

/// The body of a response that [`CacheLayer`](super::CacheLayer) has answered with: bytes that it keeps, or `B`, the body
/// of the service inside.
pub struct ResponseBody<B: Body>(State<B>);

enum State<B: Body> {
    /// Shared with the cache. Nothing, once it was given.
    Kept(Option<Bytes>),
    Through(Pin<Box<B>>),
    /// What was read of it before it was clear that it is not kept, and how it goes on.
    Begun(VecDeque<Bytes>, Rest<B>),
}

enum Rest<B: Body> {
    Body(Pin<Box<B>>),
    Trailers(Option<HeaderMap>),
    Error(Option<B::Error>),
}

impl<B: Body> ResponseBody<B> {
    pub(super) fn kept(bytes: Bytes) -> Self {
        Self(State::Kept(Some(bytes).filter(|bytes| !bytes.is_empty())))
    }

    pub(super) fn empty() -> Self {
        Self(State::Kept(None))
    }

    pub(super) fn through(body: B) -> Self {
        Self(State::Through(Box::pin(body)))
    }
}

/// What came of reading a body to its end.
pub(super) enum Read<B: Body> {
    Whole(Bytes),
    /// It is longer than the bound, or more than bytes, or it broke: this goes on from where it was.
    Unkept(ResponseBody<B>),
}

/// Reads `body` to its end, unless it is longer than `bound` bytes.
pub(super) async fn read<B: Body>(body: B, bound: u64) -> Read<B> {
    let unkept = |read, rest| Read::Unkept(ResponseBody(State::Begun(read, rest)));
    let is_long = body.size_hint().lower() > bound;
    let mut body = Box::pin(body);
    let mut read = VecDeque::new();
    let mut length = 0_u64;
    while !is_long && length <= bound {
        match poll_fn(|context| body.as_mut().poll_frame(context)).await {
            None => return Read::Whole(joined(read)),
            Some(Err(error)) => return unkept(read, Rest::Error(Some(error))),
            Some(Ok(frame)) => match frame.into_data() {
                Ok(mut data) => {
                    length = length.saturating_add(data.remaining() as u64);
                    read.push_back(data.copy_to_bytes(data.remaining()));
                }
                Err(frame) => return unkept(read, Rest::Trailers(frame.into_trailers().ok())),
            },
        }
    }
    unkept(read, Rest::Body(body))
}

/// One piece stays where it is.
fn joined(mut pieces: VecDeque<Bytes>) -> Bytes {
    if pieces.len() < 2 {
        return pieces.pop_front().unwrap_or_default();
    }
    let mut whole = BytesMut::with_capacity(pieces.iter().map(Bytes::len).sum());
    for piece in pieces {
        whole.extend_from_slice(&piece);
    }
    whole.freeze()
}

/// Nothing in it is pinned in place.
impl<B: Body> Unpin for ResponseBody<B> {}

impl<B: Body> Body for ResponseBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let body = match &mut self.0 {
            State::Kept(bytes) => return Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            State::Begun(read, rest) => {
                if let Some(piece) = read.pop_front() {
                    return Poll::Ready(Some(Ok(Frame::data(piece))));
                }
                match rest {
                    Rest::Body(body) => body,
                    Rest::Trailers(trailers) => {
                        return Poll::Ready(trailers.take().map(|trailers| Ok(Frame::trailers(trailers))));
                    }
                    Rest::Error(error) => return Poll::Ready(error.take().map(Err)),
                }
            }
            State::Through(body) => body,
        };
        let frame = body.as_mut().poll_frame(context);
        frame.map_ok(|frame| frame.map_data(|mut data| data.copy_to_bytes(data.remaining())))
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            State::Kept(bytes) => bytes.is_none(),
            State::Through(body) => body.is_end_stream(),
            State::Begun(read, rest) => {
                read.is_empty()
                    && match rest {
                        Rest::Body(body) => body.is_end_stream(),
                        Rest::Trailers(trailers) => trailers.is_none(),
                        Rest::Error(error) => error.is_none(),
                    }
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            State::Kept(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            State::Through(body) => body.size_hint(),
            State::Begun(read, rest) => {
                let read: u64 = read.iter().map(|piece| piece.len() as u64).sum();
                let Rest::Body(rest) = rest else { return SizeHint::default() };
                let (rest, mut hint) = (rest.size_hint(), SizeHint::new());
                hint.set_lower(rest.lower().saturating_add(read));
                if let Some(upper) = rest.upper().and_then(|upper| upper.checked_add(read)) {
                    hint.set_upper(upper);
                }
                hint
            }
        }
    }
}

impl<B: Body> fmt::Debug for ResponseBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Never its bytes.
        f.write_str(match &self.0 {
            State::Kept(_) => "ResponseBody::Kept",
            State::Through(_) => "ResponseBody::Through",
            State::Begun(..) => "ResponseBody::Begun",
        })
    }
}
