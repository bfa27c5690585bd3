package integration

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// resigner is a proxy that takes requests signed with any session credentials
// and sends them on under the server's own. It does not verify anything.
func resigner(t *testing.T, upstream string) string {
	t.Helper()
	to, err := url.Parse(upstream)
	if err != nil {
		t.Fatal(err)
	}
	signer := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true })
	key := aws.Credentials{AccessKeyID: accessKey, SecretAccessKey: secretKey}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(to)
		r.Out.Host = to.Host
		for _, h := range []string{"Authorization", "X-Amz-Security-Token", "X-Amz-Date"} {
			r.Out.Header.Del(h)
		}
		if err := signer.SignHTTP(r.Out.Context(), key, r.Out, r.Out.Header.Get("X-Amz-Content-Sha256"), "s3", testRegion, time.Now()); err != nil {
			t.Error(err)
		}
	}}
	s := httptest.NewServer(http.Handler(proxy))
	t.Cleanup(s.Close)
	return s.URL
}
