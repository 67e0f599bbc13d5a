// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
)

// ruling is what the evidence says of one condition.
type ruling struct {
	status  metav1.ConditionStatus
	reason  v1alpha1.Reason
	message string
	// keep leaves the condition as it was, if there was one: the evidence doesn't say anything yet.
	keep bool
}

func yes(reason v1alpha1.Reason, message string) ruling {
	return ruling{status: metav1.ConditionTrue, reason: reason, message: message}
}

func no(reason v1alpha1.Reason, message string) ruling {
	return ruling{status: metav1.ConditionFalse, reason: reason, message: message}
}

func unknown(reason v1alpha1.Reason, message string) ruling {
	return ruling{status: metav1.ConditionUnknown, reason: reason, message: message}
}

// keeping leaves a condition as it was; without one, the ruling stands.
func keeping(r ruling) ruling {
	r.keep = true
	return r
}

// condition turns a ruling into a condition. The time of the last transition moves only with the status.
func (j *judge) condition(kind string, previous []metav1.Condition, generation int64, r ruling) metav1.Condition {
	i := slices.IndexFunc(previous, func(c metav1.Condition) bool { return c.Type == kind })
	if r.keep && i >= 0 {
		return previous[i]
	}
	c := metav1.Condition{
		Type: kind, Status: r.status, Reason: string(r.reason), Message: clip(r.message, 1024),
		ObservedGeneration: generation, LastTransitionTime: seconds(j.in.Now),
	}
	if i >= 0 && previous[i].Status == r.status {
		c.LastTransitionTime = previous[i].LastTransitionTime
	}
	return c
}

// seconds is a time as the API carries it.
func seconds(t time.Time) metav1.Time {
	return metav1.NewTime(t.UTC().Truncate(time.Second))
}

// ranked orders reasons, the worst first; what is not in the list is worse than all.
type ranked []v1alpha1.Reason

func (r ranked) rank(reason v1alpha1.Reason) int { return slices.Index(r, reason) }

// worst picks one ruling of several: what is certainly wrong before what is unknown before what is to be kept, then by rank.
// Rulings of status True are left out.
type worst struct {
	ruling
	found bool
	order int
}

func (w *worst) add(order ranked, r ruling) {
	if r.status == metav1.ConditionTrue {
		return
	}
	n := order.rank(r.reason)
	switch {
	case r.keep:
		n += 2 * (len(order) + 1)
	case r.status == metav1.ConditionUnknown:
		n += len(order) + 1
	}
	if !w.found || n < w.order {
		w.ruling, w.found, w.order = r, true, n
	}
}

// names joins names for a message; after five it only counts.
func names(list []string) string {
	const most = 5
	if len(list) <= most {
		return strings.Join(list, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(list[:most], ", "), len(list)-most)
}

// clip shortens text that a node sent.
func clip(s string, most int) string {
	if utf8.RuneCountInString(s) <= most {
		return s
	}
	return string([]rune(s)[:most-1]) + "…"
}
