package demo

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"math"
	"os"
	"path/filepath"
)

// writeSamples makes the local files that the tour copies into the mount.
func writeSamples(dir string) error {
	picture, err := drawPicture(320, 200)
	if err != nil {
		return err
	}
	for name, content := range map[string][]byte{
		"tree/README.txt":            []byte("This folder is an S3 bucket. Every file is one object, every object one file.\n"),
		"tree/notes/hello.txt":       []byte("Hello from an S3 bucket!\n"),
		"tree/notes/2026/plan.txt":   []byte("1. mount the bucket\n2. use it like any folder\n3. send a link\n"),
		"tree/pictures/gradient.png": picture,
		"letter.txt":                 []byte("A letter, written on the local disk.\n"),
	} {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, content, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// drawPicture draws rings over a gradient and encodes them as PNG.
func drawPicture(width, height int) ([]byte, error) {
	img := image.NewRGBA(image.Rect(0, 0, width, height))
	for y := range height {
		for x := range width {
			r := math.Hypot(float64(x-width/2), float64(y-height/2))
			ring := uint8(127 + 127*math.Sin(r/8))
			img.Set(x, y, color.RGBA{R: uint8(255 * x / width), G: ring, B: uint8(255 * y / height), A: 255})
		}
	}
	var buf bytes.Buffer
	if err := png.Encode(&buf, img); err != nil {
		return nil, err
	}
	return buf.Bytes(), nil
}
