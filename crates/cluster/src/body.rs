//! Answers: whole ones and those that go on. It must not know what is answered.

use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::Stream;
use holdfast_admit::ApiError;
use holdfast_model::Value;
use http_body::{Body, Frame, SizeHint};

/// The body of an answer.
pub struct ResponseBody(Kind);

enum Kind {
    Whole(Option<Bytes>),
    Stream(Pin<Box<dyn Stream<Item = Bytes> + Send>>),
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match &mut self.0 {
            Kind::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Kind::Stream(stream) => stream
                .as_mut()
                .poll_next(context)
                .map(|next| next.map(|bytes| Ok(Frame::data(bytes)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.0, Kind::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Whole(bytes) => {
                let length = bytes.as_ref().map_or(0, Bytes::len);
                SizeHint::with_exact(length as u64)
            }
            Kind::Stream(_) => SizeHint::default(),
        }
    }
}

impl fmt::Debug for ResponseBody {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match &self.0 {
            Kind::Whole(_) => "ResponseBody(whole)",
            Kind::Stream(_) => "ResponseBody(stream)",
        })
    }
}

/// An answer before it is an HTTP response.
pub(crate) struct Reply {
    pub(crate) code: u16,
    pub(crate) content_type: &'static str,
    pub(crate) body: ResponseBody,
    /// Texts of `Warning` headers.
    pub(crate) warnings: Vec<String>,
    /// The `ETag`, in its quotes.
    pub(crate) tag: Option<String>,
}

const JSON: &str = "application/json";

impl Reply {
    pub(crate) fn json(code: u16, value: &Value) -> Self {
        Self::bytes(code, JSON, Bytes::from(value.to_string()))
    }

    pub(crate) fn bytes(code: u16, content_type: &'static str, bytes: Bytes) -> Self {
        Self {
            code,
            content_type,
            body: ResponseBody(Kind::Whole(Some(bytes))),
            warnings: Vec::new(),
            tag: None,
        }
    }

    pub(crate) fn text(code: u16, text: &str) -> Self {
        let bytes = Bytes::copy_from_slice(text.as_bytes());
        Self::bytes(code, "text/plain; charset=utf-8", bytes)
    }

    pub(crate) fn stream(stream: impl Stream<Item = Bytes> + Send + 'static) -> Self {
        Self {
            code: 200,
            content_type: JSON,
            body: ResponseBody(Kind::Stream(Box::pin(stream))),
            warnings: Vec::new(),
            tag: None,
        }
    }

    /// The same answer in other words.
    pub(crate) fn with_body(mut self, content_type: &'static str, bytes: Bytes) -> Self {
        self.content_type = content_type;
        self.body = ResponseBody(Kind::Whole(Some(bytes)));
        self
    }

    /// The body, where it is a whole one.
    pub(crate) fn whole(&self) -> Option<&Bytes> {
        match &self.body.0 {
            Kind::Whole(bytes) => bytes.as_ref(),
            Kind::Stream(_) => None,
        }
    }
}

impl From<ApiError> for Reply {
    fn from(error: ApiError) -> Self {
        let mut reply = Self::json(error.code, &error.to_status());
        reply.warnings = error.warnings;
        reply
    }
}
