// Package serve is the life of one mount: check, mount, answer the control
// socket, and at the end upload what is left and unmount.
package serve
