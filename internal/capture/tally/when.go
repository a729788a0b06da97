package tally

import (
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"despatch/internal/capture"
)

// When reads a date and a time as a program showed them to somebody, in the language of that person:
// "Thursday, November 3, 2016 at 11:59:50 AM UTC", "2024年1月2日星期二 UTC 12:00:00". Zone is that of the
// person's clock, or nil; order is how dates of numbers only are declared to be: dmy, mdy or empty.
//
// Where the text can be read in several ways the instant holds all of them and says in what they
// differ. Where it cannot be read, ok is false and the instant is undated.
func When(raw string, zone *time.Location, order string) (at capture.Instant, ok bool) {
	s := plain(raw)
	clock, rest, hasClock := takeClock(s)
	rest, offset, hasOffset := takeOffset(rest)
	days := readDate(rest, order)
	if len(days.list) == 0 {
		u := capture.Undated(raw)
		return u, false
	}
	found := false
	for _, d := range days.list {
		for _, hour := range clock.hours {
			c := d
			c.Hour, c.Minute, c.Second = hour, clock.minute, clock.second
			if !c.Valid() {
				continue
			}
			i := reading(raw, c, hasClock, clock.seconds, zone, offset, hasOffset)
			switch {
			case !found:
				at, found = i, true
			case i.Min != at.Min || i.Max != at.Max:
				about := days.about
				if len(clock.hours) > 1 && len(days.list) == 1 {
					about = "half_day"
				}
				at.Or(i, about)
			}
		}
	}
	if !found {
		return capture.Undated(raw), false
	}
	return at, true
}

// reading returns the instant of one way to read a text.
func reading(raw string, c capture.Civil, hasClock, seconds bool, zone *time.Location, offset time.Duration, hasOffset bool) capture.Instant {
	switch {
	case !hasClock:
		first := capture.Local(raw, c, false, zone)
		c.Hour, c.Minute = 23, 59
		last := capture.Local(raw, c, false, zone)
		first.Max, first.Precision, first.Local = last.Max, "day", first.Local[:10]
		return first
	case hasOffset:
		precision := "min"
		if seconds {
			precision = "s"
		}
		if offset == 0 {
			return capture.At(raw, c.UTC().UnixMilli(), precision, "exporter_display")
		}
		at := capture.At(raw, c.UTC().Add(-offset).UnixMilli(), precision, "exporter_display")
		at.Local = c.UTC().Format("2006-01-02T15:04:05")[:len(at.Local)]
		at.Zone, at.ZoneName = capture.ZoneOffset, time.Unix(0, 0).In(time.FixedZone("", int(offset/time.Second))).Format("-07:00")
		return at
	}
	return capture.Local(raw, c, seconds, zone)
}

// plain returns a text with its digits, spaces and letters in one form.
func plain(s string) string {
	if len(s) > 300 {
		s = s[:300]
	}
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.Is(unicode.Nd, r):
			return '0' + rune(digit(r))
		case unicode.IsSpace(r):
			return ' '
		case unicode.Is(unicode.Cf, r), unicode.IsControl(r):
			return -1
		}
		return unicode.ToLower(r)
	}, norm.NFC.String(strings.ToValidUTF8(s, "")))
}

// digit returns the value of a decimal digit of any script: they stand in runs of ten.
func digit(r rune) int {
	n := 0
	for n < 9 && unicode.Is(unicode.Nd, r-rune(n)-1) && (r-rune(n)-1)/16 >= (r-9)/16 {
		n++
	}
	if r >= '0' && r <= '9' {
		return int(r - '0')
	}
	return n
}

type clock struct {
	hours          []int // more than one if the half of the day is not known
	minute, second int
	seconds        bool
}

var (
	clockColon = regexp.MustCompile(`(\d{1,2}) ?: ?(\d{2})(?: ?: ?(\d{2})(?:[.,]\d{1,9})?)?`)
	clockDot   = regexp.MustCompile(`(?:^|[^\d.])(\d{1,2})[.h](\d{2})(?:\.(\d{2}))?(?:$|[^\d.])`)
)

// Words for the halves of the day. Those of the second list need nothing around them.
var (
	beforeNoon = []string{"am", "a.m.", "a. m.", "a.m", "π.μ.", "πμ", "ص", "öö", "sa", "पूर्वाह्न", "ก่อนเที่ยง"}
	afterNoon  = []string{"pm", "p.m.", "p. m.", "p.m", "μ.μ.", "μμ", "م", "ös", "ch", "अपराह्न", "หลังเที่ยง"}
	morning    = []string{"上午", "午前", "오전", "凌晨", "早上", "清晨"}
	afternoon  = []string{"下午", "午後", "오후", "晚上", "傍晚", "中午"}
)

// half says whether one of the words stands in a text, and returns the text without it.
func half(s string, words, loose []string) (rest string, ok bool) {
	for _, w := range words {
		for from := 0; ; {
			i := strings.Index(s[from:], w)
			if i < 0 {
				break
			}
			i += from
			before, _ := utf8.DecodeLastRuneInString(s[:i])
			after, _ := utf8.DecodeRuneInString(s[i+len(w):])
			if !unicode.IsLetter(before) && !unicode.IsLetter(after) && before != '.' {
				return s[:i] + " " + s[i+len(w):], true
			}
			from = i + len(w)
		}
	}
	for _, w := range loose {
		if i := strings.Index(s, w); i >= 0 {
			return s[:i] + " " + s[i+len(w):], true
		}
	}
	return s, false
}

// takeClock takes the time of day out of a text.
func takeClock(s string) (c clock, rest string, ok bool) {
	c.hours = []int{0}
	at := clockColon.FindStringSubmatchIndex(s)
	if at == nil {
		at = clockDot.FindStringSubmatchIndex(s)
	}
	if at == nil {
		return c, s, false
	}
	n := func(i int) int {
		if at[2*i] < 0 {
			return 0
		}
		v, _ := strconv.Atoi(s[at[2*i]:at[2*i+1]])
		return v
	}
	hour := n(1)
	c.minute, c.second, c.seconds = n(2), n(3), at[6] >= 0
	from, to := at[2], 0
	if to = at[5]; at[6] >= 0 {
		to = at[7]
	}
	left, right := s[:from], s[to:]
	both := left + " | " + right
	first, am := half(both, beforeNoon, morning)
	second, pm := half(both, afterNoon, afternoon)
	c.hours, rest = []int{hour}, both
	switch {
	case am && !pm:
		c.hours, rest = []int{hour % 12}, first
	case pm && !am:
		c.hours, rest = []int{hour%12 + 12}, second
	case hour >= 1 && hour <= 12 && (am || strange(left, right)):
		c.hours = []int{hour % 12, hour%12 + 12}
	}
	return c, rest, true
}

// strange says whether beside a time stands a word that may tell the half of the day.
func strange(left, right string) bool {
	l := regexpLast.FindString(strings.TrimRight(left, " "))
	r := regexpFirst.FindString(strings.TrimLeft(right, " "))
	for _, w := range []string{l, r} {
		w = strings.Trim(w, ".,")
		if strings.HasSuffix(w, "日") || strings.HasSuffix(w, "일") || strings.Contains(w, "星期") {
			continue // a day
		}
		if w != "" && !glue[w] && months[w] == 0 {
			return true
		}
	}
	return false
}

var (
	regexpLast  = regexp.MustCompile(`\pL[\pL\pM.]*,?$`)
	regexpFirst = regexp.MustCompile(`^\pL[\pL\pM.]*`)
	glue        = set("at um à a o om kl klo alle ore às as de ora pukul lúc в о об u uhr h utc gmt z the los las på ob klukkan la saat v ve ke der den γ στις في בשעה को г")
	offsetText  = regexp.MustCompile(`\b(?:utc|gmt|z)\b ?(?:([+\-−])(\d{1,2})(?::?(\d{2}))?)?`)
)

func set(s string) map[string]bool {
	m := map[string]bool{}
	for f := range strings.FieldsSeq(s) {
		m[f] = true
	}
	return m
}

// takeOffset takes out of a text how far its clock was from UTC.
func takeOffset(s string) (rest string, offset time.Duration, ok bool) {
	at := offsetText.FindStringSubmatchIndex(s)
	if at == nil {
		return s, 0, false
	}
	if at[2] >= 0 {
		h, _ := strconv.Atoi(s[at[4]:at[5]])
		m := 0
		if at[6] >= 0 {
			m, _ = strconv.Atoi(s[at[6]:at[7]])
		}
		if h > 14 || m > 59 {
			return s, 0, false
		}
		offset = time.Duration(h)*time.Hour + time.Duration(m)*time.Minute
		if s[at[2]:at[3]] != "+" {
			offset = -offset
		}
	}
	return s[:at[0]] + " " + s[at[1]:], offset, true
}

type dates struct {
	list  []capture.Civil
	about string // what the readings differ in
}

var (
	dateCJK   = regexp.MustCompile(`(\d{2,4}) ?[年년] ?(\d{1,2}) ?[月월] ?(\d{1,2}) ?[日일]`)
	dateThang = regexp.MustCompile(`(\d{1,2}) (?:tháng|thg) (\d{1,2})(?:,| năm)? (\d{4})|(?:tháng|thg) (\d{1,2})() (\d{1,2}),? (\d{4})`)
	wordOrNum = regexp.MustCompile(`\d+|\pL[\pL\pM]*`)
)

// readDate returns the days that a text may mean.
func readDate(s, order string) dates {
	if m := dateCJK.FindStringSubmatch(s); m != nil {
		return one(m[1], m[2], m[3])
	}
	if m := dateThang.FindStringSubmatch(s); m != nil && m[1] != "" {
		return one(m[3], m[2], m[1])
	}
	var numbers []string
	var month uint16
	weekday := ""
	for _, w := range wordOrNum.FindAllString(s, 40) {
		if w[0] >= '0' && w[0] <= '9' {
			numbers = append(numbers, w)
			continue
		}
		bits := months[w]
		switch {
		case bits == 0:
		case weekdayToo[w]:
			weekday = w
		case month == 0:
			month = bits
		default:
			month |= bits
		}
	}
	if month == 0 && weekday != "" {
		month = months[weekday]
	}
	if month != 0 {
		return named(numbers, month)
	}
	return numbered(numbers, order)
}

func one(year, month, day string) dates {
	c, ok := civil(year, month, day)
	if !ok {
		return dates{}
	}
	return dates{list: []capture.Civil{c}}
}

func civil(year, month, day string) (capture.Civil, bool) {
	y, e1 := strconv.Atoi(year)
	m, e2 := strconv.Atoi(month)
	d, e3 := strconv.Atoi(day)
	if y < 100 && len(year) <= 2 {
		y += 2000
	}
	if y >= 2500 && y < 2700 { // the Buddhist calendar's
		y -= 543
	}
	c := capture.Civil{Year: y, Month: m, Day: d}
	return c, e1 == nil && e2 == nil && e3 == nil && y >= 1970 && y < 2200 && c.Valid()
}

// named returns the days of a date whose month is a word; in some languages a word is one month, and
// in others another.
func named(numbers []string, month uint16) dates {
	if len(numbers) != 2 {
		return dates{}
	}
	year, day := numbers[1], numbers[0]
	if len(year) < len(day) {
		year, day = day, year
	}
	var d dates
	for m := 1; m <= 12; m++ {
		if month&(1<<m) == 0 {
			continue
		}
		if c, ok := civil(year, strconv.Itoa(m), day); ok {
			d.list = append(d.list, c)
		}
	}
	d.about = "month"
	return d
}

// numbered returns the days of a date of three numbers.
func numbered(n []string, order string) dates {
	d := dates{about: "date_order"}
	if len(n) < 3 {
		return d
	}
	n = n[:3]
	add := func(year, month, day string) {
		if c, ok := civil(year, month, day); ok {
			d.list = append(d.list, c)
		}
	}
	if len(n[0]) == 4 {
		add(n[0], n[1], n[2])
		return d
	}
	if order != "mdy" {
		add(n[2], n[1], n[0])
	}
	if order != "dmy" {
		add(n[2], n[0], n[1])
	}
	if len(d.list) == 2 && d.list[0] == d.list[1] {
		d.list = d.list[:1]
	}
	return d
}

// months tells which month a word is, a bit for each, in the languages that exports are made in. Where
// two languages use one word for two months, both bits are set.
var months = monthWords()

// weekdayToo are words that are a month in some languages and a day of the week in others.
var weekdayToo = set("mar mer")

func monthWords() map[string]uint16 {
	m := map[string]uint16{}
	for _, list := range monthLists {
		for i, names := range strings.Split(list, ",") {
			for w := range strings.FieldsSeq(names) {
				m[w] |= 1 << (i%12 + 1)
			}
		}
	}
	return m
}

var monthLists = []string{
	"january jan,february feb,march mar,april apr,may,june jun,july jul,august aug,september sep sept,october oct,november nov,december dec",
	"januar jänner jän,februar,märz mär mrz,april,mai,juni,juli,august,september,oktober okt,november,dezember dez",
	"janvier janv,février févr fév,mars,avril avr,mai,juin,juillet juil,août,septembre,octobre,novembre,décembre déc",
	"enero ene,febrero,marzo,abril abr,mayo,junio,julio,agosto ago,septiembre setiembre set,octubre,noviembre,diciembre dic",
	"gennaio gen,febbraio,marzo,aprile,maggio mag,giugno giu,luglio lug,agosto,settembre,ottobre ott,novembre,dicembre",
	"janeiro,fevereiro fev,março,abril,maio mai,junho,julho,agosto,setembro,outubro out,novembro,dezembro",
	"januari,februari,maart mrt,april,mei,juni,juli,augustus,september,oktober,november,december",
	"januari,februari,mars,april,maj,juni,juli,augusti,september,oktober,november,december",
	"januar,februar,marts,april,maj,juni,juli,august,september,oktober,november,december",
	"januar,februar,mars,april,mai,juni,juli,august,september,oktober,november,desember des",
	"tammikuuta tammikuu tammi,helmikuuta helmikuu helmi,maaliskuuta maaliskuu maalis,huhtikuuta huhtikuu huhti,toukokuuta toukokuu touko,kesäkuuta kesäkuu kesä,heinäkuuta heinäkuu heinä,elokuuta elokuu elo,syyskuuta syyskuu syys,lokakuuta lokakuu loka,marraskuuta marraskuu marras,joulukuuta joulukuu joulu",
	"stycznia styczeń sty,lutego luty lut,marca marzec,kwietnia kwiecień kwi,maja maj,czerwca czerwiec cze,lipca lipiec lip,sierpnia sierpień sie,września wrzesień wrz,października październik paź,listopada listopad lis,grudnia grudzień gru",
	"ledna leden led,února únor úno,března březen bře,dubna duben dub,května květen kvě,června červen čvn,července červenec čvc,srpna srpen srp,září zář,října říjen říj,listopadu listopad lis,prosince prosinec pro",
	"januára január,februára február,marca marec,apríla apríl,mája máj,júna jún,júla júl,augusta august,septembra september,októbra október,novembra november,decembra december",
	"január,február,március márc,április ápr,május máj,június jún,július júl,augusztus,szeptember szept,október,november,december",
	"ianuarie ian,februarie,martie,aprilie,mai,iunie iun,iulie iul,august,septembrie,octombrie,noiembrie noi,decembrie",
	"ocak oca,şubat şub,mart,nisan nis,mayıs,haziran haz,temmuz tem,ağustos ağu,eylül eyl,ekim eki,kasım kas,aralık ara",
	"ιανουαρίου ιανουάριος ιαν,φεβρουαρίου φεβρουάριος φεβ,μαρτίου μάρτιος μαρ μαρτ,απριλίου απρίλιος απρ,μαΐου μάιος μαΐ,ιουνίου ιούνιος ιουν,ιουλίου ιούλιος ιουλ,αυγούστου αύγουστος αυγ,σεπτεμβρίου σεπτέμβριος σεπ σεπτ,οκτωβρίου οκτώβριος οκτ,νοεμβρίου νοέμβριος νοε,δεκεμβρίου δεκέμβριος δεκ",
	"января январь янв,февраля февраль февр фев,марта март мар,апреля апрель апр,мая май,июня июнь июн,июля июль июл,августа август авг,сентября сентябрь сент сен,октября октябрь окт,ноября ноябрь нояб ноя,декабря декабрь дек",
	"січня січень січ,лютого лютий лют,березня березень бер,квітня квітень квіт,травня травень трав,червня червень черв,липня липень лип,серпня серпень серп,вересня вересень вер,жовтня жовтень жовт,листопада листопад лист,грудня грудень груд",
	"януари,февруари,март,април,май,юни,юли,август,септември,октомври,ноември,декември",
	"siječnja siječanj sij,veljače veljača velj,ožujka ožujak ožu,travnja travanj tra,svibnja svibanj svi,lipnja lipanj lip,srpnja srpanj srp,kolovoza kolovoz kol,rujna rujan ruj,listopada listopad lis,studenoga studenog studeni stu,prosinca prosinac pro",
	"januar,februar,mart,april,maj,jun,jul,avgust avg,septembar,oktobar,novembar,decembar",
	"јануар јан,фебруар,март,април,мај,јун,јул,август,септембар,октобар,новембар,децембар",
	"sausio saus,vasario vas,kovo,balandžio bal,gegužės geg,birželio birž,liepos liep,rugpjūčio rugp,rugsėjo rugs,spalio spal,lapkričio lapkr,gruodžio gruod",
	"janvāris,februāris,marts,aprīlis,maijs,jūnijs,jūlijs,augusts,septembris,oktobris,novembris,decembris",
	"jaanuar,veebruar,märts,aprill,mai,juuni,juuli,august,september,oktoober,november,detsember",
	"januar,februar,marec,april,maj,junij,julij,avgust,september,oktober,november,december",
	"januari,februari,maret,april,mei,juni,juli,agustus agt,september,oktober,november,desember",
	"januari,februari,mac,april,mei,jun,julai,ogos,september,oktober,november,disember",
	"gener,febrer,març,abril,maig,juny,juliol,agost,setembre,octubre,novembre,desembre",
	"มกราคม,กุมภาพันธ์,มีนาคม,เมษายน,พฤษภาคม,มิถุนายน,กรกฎาคม,สิงหาคม,กันยายน,ตุลาคม,พฤศจิกายน,ธันวาคม",
	"يناير,فبراير,مارس,أبريل ابريل,مايو,يونيو,يوليو,أغسطس,سبتمبر,أكتوبر,نوفمبر,ديسمبر",
	"בינואר ינואר,בפברואר פברואר,במרץ מרץ,באפריל אפריל,במאי מאי,ביוני יוני,ביולי יולי,באוגוסט אוגוסט,בספטמבר ספטמבר,באוקטובר אוקטובר,בנובמבר נובמבר,בדצמבר דצמבר",
	"जनवरी,फ़रवरी फरवरी,मार्च,अप्रैल,मई,जून,जुलाई,अगस्त,सितंबर,अक्टूबर,नवंबर,दिसंबर",
}

// Epoch returns the instant of a count of milliseconds since 1970 that a file gives as a number, or an
// undated one if no messenger can have been there.
func Epoch(raw string, ms int64, precision, clock string) (capture.Instant, bool) {
	if ms <= 0 || ms >= 7258118400000 {
		u := capture.Undated(raw)
		u.Ambiguous, u.Clock = []string{"no_time"}, clock
		return u, false
	}
	return capture.At(raw, ms, precision, clock), true
}

// RFC3339 returns the instant of a time such as 2024-01-02T03:04:05.678Z.
func RFC3339(raw, clock string) (capture.Instant, bool) {
	t, err := time.Parse(time.RFC3339Nano, raw)
	if err != nil {
		if t, err = time.Parse("2006-01-02T15:04:05.999999999", raw); err != nil || raw == "" {
			u := capture.Undated(raw)
			u.Ambiguous, u.Clock = []string{"no_time"}, clock
			return u, false
		}
	}
	if y := t.Year(); y < 1971 || y > 2199 {
		u := capture.Undated(raw)
		u.Ambiguous, u.Clock = []string{"no_time"}, clock
		return u, false
	}
	precision := "s"
	if strings.Contains(raw, ".") {
		precision = "ms"
	}
	at := capture.At(raw, t.UnixMilli(), precision, clock)
	if _, off := t.Zone(); off != 0 {
		at = capture.AtOffset(raw, t, precision, clock)
	}
	return at, true
}

// Between returns an instant of which only the earliest and the latest possible moment are known.
func Between(raw string, first, last int64, precision, clock string) capture.Instant {
	return capture.Instant{Raw: raw, Min: first, Max: last, Precision: precision, Zone: capture.ZoneUnknown, Clock: clock}
}
