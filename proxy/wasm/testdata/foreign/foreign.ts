export * from "@solo-io/proxy-runtime/proxy";
import { RootContext, Context, registerRootContext, FilterHeadersStatusValues, FilterDataStatusValues, stream_context, HeaderPair, Headers, log, LogLevelValues, send_local_response, GrpcStatusValues } from "@solo-io/proxy-runtime";

class Root extends RootContext {
  createContext(context_id: u32): Context { return new Stream(context_id, this); }
}

class Stream extends Context {
  root: Root;
  constructor(context_id: u32, root: Root) { super(context_id, root); this.root = root; }
  onRequestHeaders(a: u32, end: bool): FilterHeadersStatusValues {
    const path = stream_context.headers.request.get(":path");
    // What this version of the SDK reads of its configuration is empty: it hands the size to the host as a place.
    if (path == "/closed") {
      const fields: Headers = [new HeaderPair(String.UTF8.encode("retry-after"), String.UTF8.encode("120"))];
      send_local_response(503, "", String.UTF8.encode("closed\n"), fields, GrpcStatusValues.Unavailable);
      return FilterHeadersStatusValues.StopIteration;
    }
    stream_context.headers.request.add("x-foreign", "assemblyscript");
    return FilterHeadersStatusValues.Continue;
  }
  onResponseHeaders(a: u32, end: bool): FilterHeadersStatusValues {
    stream_context.headers.response.add("x-foreign", "assemblyscript");
    return FilterHeadersStatusValues.Continue;
  }
}

registerRootContext((context_id: u32) => { return new Root(context_id); }, "");
