// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"cmp"
	"regexp"
	"strconv"

	appsv1 "k8s.io/api/apps/v1"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
	"github.com/brokermesh/brokermesh/pkg/manifest"
)

// mostSkew is how many minor versions the image of a node may be behind the operator's before it is moved.
const mostSkew = 2

// nodeImage is the image of a node's pods: the one that the user asks for; else the one that it has had so far, so that an upgrade of
// the operator restarts nothing; else own, the image that belongs to this operator. An image that is too far behind own is left.
func nodeImage(node *v1alpha1.BrokerNode, live *appsv1.StatefulSet, own string) string {
	if node.Spec.Image != "" {
		return node.Spec.Image
	}
	kept := cmp.Or(node.Status.Image, liveImage(live), own)
	if tooOld(kept, own) {
		return own
	}
	return kept
}

func liveImage(set *appsv1.StatefulSet) string {
	if set == nil {
		return ""
	}
	for _, c := range set.Spec.Template.Spec.Containers {
		if c.Name == manifest.ContainerName {
			return c.Image
		}
	}
	return ""
}

var versionTag = regexp.MustCompile(`:v?(\d+)\.(\d+)(?:\.\d+)?(?:[-+.][\w.+-]*)?$`)

// tooOld compares the tags of two images; images whose tags are no versions are never too old.
func tooOld(image, own string) bool {
	a, b := versionTag.FindStringSubmatch(image), versionTag.FindStringSubmatch(own)
	if a == nil || b == nil {
		return false
	}
	major, minor := atoi(a[1]), atoi(a[2])
	ownMajor, ownMinor := atoi(b[1]), atoi(b[2])
	return major < ownMajor || major == ownMajor && minor+mostSkew < ownMinor
}

func atoi(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		return 0
	}
	return n
}
