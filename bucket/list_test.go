package bucket

import (
	"errors"
	"net/http"
	"slices"
	"testing"
)

func TestListDecodesOnlyWhatIsEncoded(t *testing.T) {
	for _, tc := range []struct{ name, echo, key, want string }{
		{"encoded", "<EncodingType>url</EncodingType>", "a+b%2Bc%25%C3%BC%01", "a b+c%ü\x01"},
		{"encoded with %20", "<EncodingType>url</EncodingType>", "a%20b", "a b"},
		{"as it is", "", "a+b%2Bc", "a+b%2Bc"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := newFake(t, func(w http.ResponseWriter, r *http.Request) {
				sendXML(w, "ListBucketResult", tc.echo+"<Contents><Key>"+tc.key+"</Key><Size>3</Size><ETag>&quot;e&quot;</ETag></Contents>"+
					"<CommonPrefixes><Prefix>"+tc.key+"/</Prefix></CommonPrefixes>")
			})
			page, err := f.List(t.Context(), ListInput{Delimiter: "/"})
			if err != nil {
				t.Fatal(err)
			}
			if page.Objects[0].Key != tc.want || page.Prefixes[0] != tc.want+"/" || page.Objects[0].ETag != "e" {
				t.Errorf("%+v", page)
			}
			if r := f.all()[0]; r.URL.Query().Get("encoding-type") != "url" {
				t.Error(r.URL)
			}
		})
	}
}

// Pages that S3 may send: an empty one that is truncated, and one that ends in a
// common prefix.
func TestListAllOddPages(t *testing.T) {
	pages := map[string]string{
		"":  "<IsTruncated>true</IsTruncated><NextContinuationToken>1</NextContinuationToken><CommonPrefixes><Prefix>a/</Prefix></CommonPrefixes>",
		"1": "<IsTruncated>true</IsTruncated><NextContinuationToken>2</NextContinuationToken>",
		"2": "<IsTruncated>false</IsTruncated><NextContinuationToken>ignored</NextContinuationToken><Contents><Key>b</Key></Contents>",
	}
	f := newFake(t, func(w http.ResponseWriter, r *http.Request) {
		sendXML(w, "ListBucketResult", pages[r.URL.Query().Get("continuation-token")])
	})
	var got []string
	err := ListAll(t.Context(), f, ListInput{Delimiter: "/"}, func(p Page) error {
		got = append(got, p.Prefixes...)
		for _, o := range p.Objects {
			got = append(got, o.Key)
		}
		return nil
	})
	if err != nil || !slices.Equal(got, []string{"a/", "b"}) || len(f.all()) != 3 {
		t.Errorf("%q, %d requests, %v", got, len(f.all()), err)
	}
}

func TestListAllRefusesToLoop(t *testing.T) {
	next := map[string]string{"": "1", "1": "2", "2": "1"}
	f := newFake(t, func(w http.ResponseWriter, r *http.Request) {
		sendXML(w, "ListBucketResult", "<IsTruncated>true</IsTruncated><NextContinuationToken>"+
			next[r.URL.Query().Get("continuation-token")]+"</NextContinuationToken>")
	})
	err := ListAll(t.Context(), f, ListInput{}, func(Page) error { return nil })
	if !errors.Is(err, ErrServer) || len(f.all()) != 3 {
		t.Errorf("%d requests, %v", len(f.all()), err)
	}
}

func TestListTruncatedWithoutToken(t *testing.T) {
	f := newFake(t, func(w http.ResponseWriter, r *http.Request) {
		sendXML(w, "ListBucketResult", "<IsTruncated>true</IsTruncated>")
	})
	if _, err := f.List(t.Context(), ListInput{}); !errors.Is(err, ErrServer) {
		t.Error(err)
	}
}
