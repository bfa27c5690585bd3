// Package lifetime reads how long a share link shall live, and from a link
// how long it does.
package lifetime
