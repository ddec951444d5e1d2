// Search from disk: a browser starts no Worker from a file, so that the theme's search runs in a
// hidden frame in its place. Nothing changes where the site comes from a server.
if (location.protocol === "file:") {
  window.IFrameWorker = class extends EventTarget {
    constructor(url) {
      super()
      this.frame = document.createElement("iframe")
      this.frame.hidden = true
      this.started = new Promise((resolve) => {
        document.addEventListener("DOMContentLoaded", () => this.start(url, resolve))
        if (document.readyState !== "loading") this.start(url, resolve)
      })
    }

    start(url, resolve) {
      if (this.frame.isConnected) return
      document.body.append(this.frame)
      const inside = this.frame.contentWindow
      inside.postMessage = (data) => this.dispatchEvent(new MessageEvent("message", { data }))
      const script = inside.document.createElement("script")
      script.src = url
      script.onload = resolve
      inside.document.body.append(script)
    }

    postMessage(data) {
      this.started.then(() => {
        const inside = this.frame.contentWindow
        inside.dispatchEvent(new inside.MessageEvent("message", { data }))
      })
    }
  }
  window.Worker = window.IFrameWorker
}
