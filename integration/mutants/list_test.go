package mutants

// mutant is one fault, and the test that must catch it.
type mutant struct {
	name   string
	always bool // run without PAILFS_MUTANTS, too
	edits  []edit
	test   string // of package integration, as in -test.run
	says   string // regexp for what the test then complains of
}

// edit replaces old, which must occur once in file, by new. White space in old
// stands for any white space, so that gofmt may align as it likes.
type edit struct{ file, old, new string }

// never makes a pointer nil and keeps the compiler content.
func never(field, value string) string {
	return field + ": map[bool]*string{true: " + value + "}[false],"
}

func mutants() []mutant {
	return []mutant{
		{"error of an upload is swallowed", true, []edit{
			{"fs/commit.go", `stored = err == nil return err`, "stored = err == nil\nreturn nil"},
		}, "TestRefusedUploadFailsClose", `want EACCES`},
		{"commit without If-Match", true, []edit{
			{"bucket/put.go", `IfMatch: ifMatch,`, never("IfMatch", "ifMatch")},
		}, "TestConflictAtClose", `--- FAIL: TestConflictAtClose/overwrite`},
		{"read of whatever version is there", true, []edit{
			// Either of the two alone keeps versions apart.
			{"bucket/get.go", `IfMatch: quote(in.ETag),`, ``},
			{"bucket/get.go", `if in.ETag != "" && o.ETag != in.ETag {`, `if false {`},
		}, "TestReaderNeverMixesVersions", `--- FAIL`},
		{"a HEAD too many in a lookup", true, []edit{
			{"fs/describe.go", `if e.Object.Full {`, `if _, _ = f.head(ctx, e.Key, f.meta.Mark()); e.Object.Full {`},
		}, "TestRequestTable", `stat, cold.*OVER: HeadObject 2`},
		{"second page of a listing is skipped", true, []edit{
			{"fs/lister.go", `l.token = page.Next`, "l.token = page.Next\npage.Next = \"\""},
		}, "TestListingIsComplete", `BAD 2000 \d`},

		{"close returns before the upload", false, []edit{
			{"fs/commit.go", `return n.commitWithin(context.WithoutCancel(ctx), false)`, "go n.commitWithin(context.WithoutCancel(ctx), false)\nreturn nil"},
		}, "TestCloseIsTheUpload", `NoSuchKey|after fsync the object is`},
		{"new file without If-None-Match", false, []edit{
			{"bucket/put.go", `IfNoneMatch: ifNoneMatch,`, never("IfNoneMatch", "ifNoneMatch")},
		}, "TestConflictAtClose", `--- FAIL: TestConflictAtClose/new-file`},
		{"body that is cut is the end", false, []edit{
			{"bucket/get.go", `case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):`, "case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):\nreturn n, io.EOF"},
		}, "TestCutDownloads", `script failed`},
		{"lost answer of a commit is a failure", false, []edit{
			{"bucket/commit.go", `if mine == nil || !s.sent || ctx.Err() != nil {`, `if true {`},
		}, "TestLostAnswerOfClose", `Stale file handle`},
		{"lost answer of a rename's removal is a failure", false, []edit{
			{"bucket/delete.go", `case errors.Is(err, ErrChanged) && again && b.absent(ctx, key):`, `case false:`},
		}, "TestLostAnswerOfRename", `script failed`},
		{"lost answer of a large copy is a failure", false, []edit{
			{"bucket/copy.go", `if id := from.Metadata[CommitKey]; id == "" ||`, `if id := from.Metadata[CommitKey]; id != "" ||`},
		}, "TestLostAnswerOfRename", `script failed`},
		{"rename removes whatever is at the source", false, []edit{
			{"fs/rename.go", `f.b.Delete(ctx, from, version.ETag)`, `f.b.Delete(ctx, from, "")`},
		}, "TestRenameKeepsForeignSource", `what somebody else stored at f is lost`},
		{"rename of a directory removes whatever is there", false, []edit{
			{"fs/renamedir.go", `items[i] = bucket.DeleteItem{Key: o.Key, ETag: o.ETag}`, `items[i] = bucket.DeleteItem{Key: o.Key}`},
		}, "TestRenameKeepsForeignSource", `keys below "d/"`},
		{"rename of a directory goes on without a copy", false, []edit{
			{"fs/renamedir.go", `f.undo(ctx, copies) return err`, ``},
		}, "TestFailedRenameOfDirectory", `want EACCES|want the 60 at the source`},
		{"copies of a failed rename stay", false, []edit{
			{"fs/renamedir.go", `f.undo(ctx, copies) return err`, `return err`},
		}, "TestFailedRenameOfDirectory", `want the 60 at the source`},
		{"range ends a byte early", false, []edit{
			{"bucket/get.go", `off, off+n-1)`, `off, off+n-2)`},
		}, "TestCutDownloads", `script failed`},
		{"download goes on a byte too early", false, []edit{
			{"bucket/transfer.go", `b.fillOnce(ctx, key, etag, off+done, win, try-1)`, `b.fillOnce(ctx, key, etag, off+done-min(done, 1), win, try-1)`},
		}, "TestCutDownloads", `the object differs`},
		{"edit without the rest of the file", false, []edit{
			{"fs/commit.go", `if err := d.FillRanges(ctx, base, []cache.Range{{Off: off, End: off + length}}); err != nil {`, `if _, err := base, error(nil); err != nil {`},
		}, "TestCutDownloads", `the object differs|too few to tell`},
		{"edit drops headers", false, []edit{
			{"fs/upload.go", `Headers: base.Headers, StorageClass: base.StorageClass,`, ``},
		}, "TestEditKeepsProperties", `--- FAIL`},
		{"a fill goes on over what a writer writes", false, []edit{
			{"fs/open.go", `c.StopGiving() // no write comes before this open has ended`, `_ = c`},
		}, "TestDenseReader", `AssertionError`},
		{"fetches of a version go on after a commit of our own", false, []edit{
			{"fs/local.go", `if s.n.editsNow() != s.edits {`, `if false {`},
		}, "TestDiskCacheOfOwnNewVersion", `--- FAIL`},
		{"a writer does not wait for its inode", false, []edit{
			{"fs/passthrough.go", `if write && passed { n.fs.tree.await(n)`, "if write && passed {\n_ = n.fs.tree.await"},
		}, "TestPassthroughAndWriters", `--- FAIL`},
		{"releases under way are not seen", false, []edit{
			{"fs/release.go", `h.n.releasing(ctx.Done())`, `_ = h.n.releasing`},
		}, "TestPassthroughRaces", `Errno 5`},
		{"of two racing writers one is not told", false, []edit{
			{"bucket/put.go", `IfMatch: ifMatch,`, never("IfMatch", "ifMatch")},
		}, "TestRaceWriters", `and all were acknowledged`},
		{"the id of an upload is not recorded", false, []edit{
			{"bucket/uploadclient.go", `c.record.Begun(c.uploadID)`, ``},
		}, "TestCleanup", `open uploads`},
		{"cleanup takes what a living mount is sending", false, []edit{
			{"cmd/pailfs/internal/serve/cleanup.go", `live = append(live, u)`, ``},
		}, "TestCleanupSparesTheLiving", `open uploads`},
		{"a failed change has not happened", false, []edit{
			{"fs/doubtful.go", `d.meta.Forget(key)`, `_ = key`},
		}, "TestFailedChangeIsLookedAtAgain", `--- FAIL`},
	}
}
