package whatsapp

// What WhatsApp itself writes into a chat, in the language of the phone that exported it. The strings
// are those of the apps; where only a text's beginning is known, a star stands for the rest.
//
// In a phrase, {a} is who did something, {v} to whom or to what, and * anything. Case, a final full
// stop, invisible marks and the width of spaces do not matter. Languages stand in the order en, de,
// es, fr, pt, it, nl, tr, ar, zh, ja, ko, then others.
//
// Nothing depends on a phrase being known: a line without a sender is a system line in any language,
// and one whose phrase is not here has the code "other".

type phrase struct {
	code  string
	forms []string
}

// codeOther is the code of a system line whose phrase is not known.
const codeOther = "other"

// notices are the lines without a sender, and on iPhones those that stand after the chat's name.
var notices = []phrase{
	{"encryption_notice", []string{
		"messages and calls are end-to-end encrypted*", "messages to this chat and calls are now secured with end-to-end encryption*",
		"messages to this group are now secured with end-to-end encryption*", "messages you send to this * are now secured with end-to-end encryption*",
		"nachrichten und anrufe sind ende-zu-ende-verschlüsselt*", "nachrichten in diesem chat sowie anrufe sind jetzt mit ende-zu-ende-verschlüsselung geschützt*",
		"nachrichten an diese * sind jetzt mit ende-zu-ende-verschlüsselung geschützt*",
		"los mensajes y las llamadas están cifrados de extremo a extremo*", "los mensajes y llamadas están cifrados de extremo a extremo*",
		"las llamadas y mensajes enviados a este chat ahora están seguros con cifrado de extremo a extremo*",
		"les messages et les appels sont chiffrés de bout en bout*", "les messages et appels sont chiffrés de bout en bout*",
		"les messages envoyés * sont désormais protégés avec le chiffrement de bout en bout*",
		"as mensagens e as chamadas são protegidas com a criptografia de ponta a ponta*", "as mensagens e chamadas são protegidas com a criptografia de ponta a ponta*",
		"as mensagens e ligações são protegidas com a criptografia de ponta a ponta*", "as mensagens e chamadas são criptografadas de ponta a ponta*",
		"as mensagens e as chamadas são encriptadas ponta a ponta*", "as mensagens e chamadas são encriptadas ponto a ponto*", "as mensagens e chamadas são encriptadas ponta a ponta*",
		"i messaggi e le chiamate sono crittografati end-to-end*", "i messaggi in questa chat e le chiamate sono ora protetti con la crittografia end-to-end*",
		"berichten en gesprekken worden end-to-end versleuteld*", "berichten en oproepen worden end-to-end versleuteld*", "berichten en gesprekken zijn end-to-end versleuteld*",
		"berichten en oproepen zijn end-to-end versleuteld*", "berichten naar deze * zijn nu beveiligd met end-to-end encryptie*",
		"mesajlar ve aramalar uçtan uca şifrelidir*", "bu sohbete gönderdiğiniz mesajlar ve aramalar artık uçtan uca şifreleme ile korunmaktadır*",
		"الرسائل والمكالمات مشفرة تمامًا بين الطرفين*", "الرسائل والمكالمات مشفّرة*", "الرسائل والمكالمات مشفرة*",
		"消息和通话都进行端到端加密*", "訊息和通話經端對端加密*", "訊息已受端對端加密保護*", "訊息和通話受到端對端加密保護*", "您发送到本对话的信息和通话都进行端到端加密*",
		"メッセージと通話はエンドツーエンド暗号化されています*", "メッセージと通話は、エンドツーエンド*",
		"메시지 및 전화는 종단간 암호화되어*", "메시지와 통화는 종단간 암호화되어*", "메시지와 통화는 종단 간 암호화*",
		"сообщения и звонки защищены сквозным шифрованием*", "повідомлення й дзвінки захищено наскрізним шифруванням*",
		"wiadomości i połączenia są w pełni zaszyfrowane*", "meddelanden och samtal är komplett krypterade*", "meddelanden och samtal är totalsträckskrypterade*",
		"beskeder og opkald er end-to-end-krypterede*", "meldinger og samtaler er ende-til-ende-krypterte*", "viestit ja puhelut salataan täysin*", "viestit ja puhelut ovat päästä päähän salattuja*",
		"zprávy a hovory jsou opatřeny koncovým šifrováním*", "správy a hovory sú zabezpečené šifrovaním*", "az üzenetek és hívások végpontok közötti titkosítással*",
		"mesajele și apelurile sunt criptate integral*", "τα μηνύματα και οι κλήσεις κρυπτογραφούνται*", "ההודעות והשיחות מוצפנות מקצה-לקצה*", "הודעות ושיחות מוצפנות מקצה לקצה*",
		"मैसेजेस और कॉल्स एंड-टू-एंड एन्क्रिप्टेड हैं*", "pesan dan panggilan terenkripsi secara end-to-end*", "mesej dan panggilan disulitkan hujung ke hujung*",
		"tin nhắn và cuộc gọi được mã hóa đầu cuối*", "ข้อความและการโทร*เข้ารหัส*", "els missatges i les trucades estan xifrats d'extrem a extrem*", "poruke i pozivi zaštićeni su potpunom enkripcijom*",
	}},
	{"disappearing_off", []string{
		"{a} turned off disappearing messages*", "you turned off disappearing messages*", "disappearing messages were turned off*",
		"{a} hat selbstlöschende nachrichten deaktiviert*", "du hast selbstlöschende nachrichten deaktiviert*", "{a} hat verschwindende nachrichten deaktiviert*",
		"{a} desactivó los mensajes temporales*", "desactivaste los mensajes temporales*", "{a} ha desactivado los mensajes temporales*", "has desactivado los mensajes temporales*",
		"{a} a désactivé les messages éphémères*", "vous avez désactivé les messages éphémères*",
		"{a} desativou as mensagens temporárias*", "desativou as mensagens temporárias*",
		"{a} ha disattivato i messaggi effimeri*", "hai disattivato i messaggi effimeri*",
		"{a} heeft berichten met vervaldatum uitgeschakeld*", "{a} hebt berichten met vervaldatum uitgeschakeld*", "{a} heeft verdwijnende berichten uitgeschakeld*", "{a} hebt verdwijnende berichten uitgeschakeld*",
		"{a} süreli mesajları kapattı*", "süreli mesajları kapattınız*",
		"*أوقف*الرسائل ذاتية الاختفاء*", "*عطّل*الرسائل ذاتية الاختفاء*", "*عطل*الرسائل ذاتية الاختفاء*", "*إيقاف*الرسائل ذاتية الاختفاء*",
		"*关闭了限时消息*", "*关闭限时消息*", "*關閉了限時訊息*", "*關閉限時訊息*", "*關閉了自動銷毀訊息*",
		"{a}が消えるメッセージをオフにしました*", "消えるメッセージをオフにしました*", "*消えるメッセージ*オフ*",
		"*사라지는 메시지*껐습니다*", "*사라지는 메시지*사용 중지*", "*사라지는 메시지*해제*",
		"{a} отключил* исчезающие сообщения*", "вы отключили исчезающие сообщения*",
	}},
	{"disappearing_on", []string{
		"{a} turned on disappearing messages*", "you turned on disappearing messages*", "{a} uses a default timer for disappearing messages*", "you use a default timer for disappearing messages*",
		"new messages will disappear from this chat*",
		"{a} hat selbstlöschende nachrichten aktiviert*", "du hast selbstlöschende nachrichten aktiviert*", "{a} hat verschwindende nachrichten aktiviert*", "{a} verwendet eine standarddauer für selbstlöschende nachrichten*",
		"{a} activó los mensajes temporales*", "activaste los mensajes temporales*", "{a} ha activado los mensajes temporales*", "has activado los mensajes temporales*",
		"{a} usa una duración predeterminada para los mensajes temporales*", "usas una duración predeterminada para los mensajes temporales*",
		"{a} a activé les messages éphémères*", "vous avez activé les messages éphémères*", "{a} utilise une durée par défaut pour les messages éphémères*",
		"{a} ativou as mensagens temporárias*", "ativou as mensagens temporárias*", "{a} usa uma duração padrão para mensagens temporárias*",
		"{a} ha attivato i messaggi effimeri*", "hai attivato i messaggi effimeri*",
		"{a} heeft berichten met vervaldatum ingeschakeld*", "{a} hebt berichten met vervaldatum ingeschakeld*", "{a} heeft verdwijnende berichten ingeschakeld*", "{a} hebt verdwijnende berichten ingeschakeld*",
		"{a} süreli mesajları açtı*", "süreli mesajları açtınız*",
		"*فعّل*الرسائل ذاتية الاختفاء*", "*فعل*الرسائل ذاتية الاختفاء*", "*تفعيل*الرسائل ذاتية الاختفاء*", "*شغّل*الرسائل ذاتية الاختفاء*",
		"*开启了限时消息*", "*开启限时消息*", "*開啟了限時訊息*", "*開啟限時訊息*", "*開啟了自動銷毀訊息*",
		"{a}が消えるメッセージをオンにしました*", "消えるメッセージをオンにしました*", "*消えるメッセージ*オン*",
		"*사라지는 메시지*켰습니다*", "*사라지는 메시지*사용 설정*", "*사라지는 메시지*설정*",
		"{a} включил* исчезающие сообщения*", "вы включили исчезающие сообщения*",
	}},
	{"disappearing_changed", []string{
		"{a} updated the message timer*", "you updated the message timer*", "{a} hat die nachrichtendauer aktualisiert*", "du hast die nachrichtendauer aktualisiert*",
		"{a} actualizó la duración de los mensajes*", "actualizaste la duración de los mensajes*", "{a} cambió la duración de los mensajes*",
		"{a} a mis à jour la durée des messages*", "vous avez mis à jour la durée des messages*", "{a} a modifié la durée des messages*",
		"{a} atualizou a duração das mensagens*", "{a} atualizou o temporizador*", "{a} ha aggiornato il timer dei messaggi*", "hai aggiornato il timer dei messaggi*",
		"{a} heeft de berichttimer bijgewerkt*", "{a} hebt de berichttimer bijgewerkt*", "{a} heeft de berichtentimer bijgewerkt*", "{a} hebt de berichtentimer bijgewerkt*", "{a} mesaj süresini güncelledi*", "mesaj süresini güncellediniz*",
		"*消息计时*", "*訊息計時*", "*メッセージタイマー*", "*메시지 타이머*",
	}},
	{"advanced_privacy_off", []string{
		"{a} turned off advanced chat privacy*", "you turned off advanced chat privacy*", "{a} hat den erweiterten chat-datenschutz ausgeschaltet*", "{a} hast den erweiterten chat-datenschutz ausgeschaltet*",
		"{a} desactivó la privacidad avanzada*", "desactivaste la privacidad avanzada*", "{a} a désactivé la confidentialité avancée*", "vous avez désactivé la confidentialité avancée*", "{a} desativou a privacidade avançada*",
		"{a} ha disattivato la privacy avanzata*", "hai disattivato la privacy avanzata*", "{a} heeft geavanceerde chatprivacy uitgeschakeld*", "{a} hebt geavanceerde chatprivacy uitgeschakeld*", "{a} gelişmiş sohbet gizliliğini kapattı*",
		"*关闭了高级聊天隐私*", "*關閉了進階*私隱*", "*關閉了進階*隱私*", "*高度なチャットプライバシー*オフ*", "*고급 채팅 개인정보*껐*",
	}},
	{"advanced_privacy_on", []string{
		"{a} turned on advanced chat privacy*", "you turned on advanced chat privacy*", "{a} hat den erweiterten chat-datenschutz eingeschaltet*", "{a} hast den erweiterten chat-datenschutz eingeschaltet*",
		"{a} activó la privacidad avanzada*", "activaste la privacidad avanzada*", "{a} a activé la confidentialité avancée*", "vous avez activé la confidentialité avancée*", "{a} ativou a privacidade avançada*",
		"{a} ha attivato la privacy avanzata*", "hai attivato la privacy avanzata*", "{a} heeft geavanceerde chatprivacy ingeschakeld*", "{a} hebt geavanceerde chatprivacy ingeschakeld*", "{a} gelişmiş sohbet gizliliğini açtı*",
		"*开启了高级聊天隐私*", "*開啟了進階*私隱*", "*開啟了進階*隱私*", "*高度なチャットプライバシー*オン*", "*고급 채팅 개인정보*켰*",
	}},
	{"security_code_changed", []string{
		"your security code with {v} changed*", "{v}'s security code changed*", "your security code with all * changed*",
		"dein sicherheitscode für {v} hat sich geändert*", "dein sicherheitscode mit {v} hat sich geändert*", "deine sicherheitsnummer für {v} hat sich geändert*", "die sicherheitsnummer von {v} hat sich geändert*",
		"cambió tu código de seguridad con {v}", "tu código de seguridad con {v} cambió*", "votre code de sécurité avec {v} a changé*",
		"seu código de segurança com {v} mudou*", "o seu código de segurança partilhado com {v} mudou*", "o código de segurança de {v} mudou*",
		"il tuo codice di sicurezza con {v} è cambiato*", "uw beveiligingscode voor {v} is gewijzigd*", "je beveiligingscode met {v} is gewijzigd*", "uw beveiligingscode met {v} is gewijzigd*",
		"{v} ile aranızdaki güvenlik kodu değişti*", "تغيّر رمز أمانك المُستخدَم مع {v}", "您和*的安全代码已更改*", "您與*的安全*已變更*",
		"{v}とのセキュリティコードが変更されました*", "{v}님과의 보안 코드가 변경되었습니다*", "ваш код безопасности с контактом {v} изменился*", "twój kod zabezpieczeń z użytkownikiem {v} zmienił się*",
	}},
	{"group_created", []string{
		"{a} created group “{v}”", "{a} created group \"{v}\"", "{a} created group {v}", "you created group “{v}”", "you created group \"{v}\"", "you created this group", "{a} created this group", "group creator created group*",
		"{a} hat die gruppe „{v}“ erstellt", "{a} hat die gruppe \"{v}\" erstellt", "du hast die gruppe „{v}“ erstellt", "{a} hast die gruppe \"{v}\" erstellt", "du hast diese gruppe erstellt", "{a} hat die gruppe * erstellt", "{a} hat diese gruppe erstellt",
		"{a} creó el grupo*", "creaste el grupo*", "{a} creó este grupo*", "creaste este grupo*", "{a} ha creado el grupo*", "has creado el grupo*",
		"{a} a créé le groupe*", "vous avez créé le groupe*", "{a} a créé ce groupe*", "{a} criou o grupo*", "{a} criou este grupo*", "criou o grupo*",
		"{a} ha creato il gruppo*", "hai creato il gruppo*", "{a} heeft de groep * gemaakt*", "{a} hebt de groep * gemaakt*", "{a} heeft de groep * aangemaakt*", "{a} hebt de groep * aangemaakt*", "{a} heeft groep * gemaakt*", "{a} hebt groep * gemaakt*", "{a} heeft deze groep gemaakt*", "{a} hebt deze groep gemaakt*", "{a} heeft deze groep aangemaakt*", "{a} hebt deze groep aangemaakt*",
		"{a} \"{v}\" grubunu oluşturdu*", "{a} “{v}” grubunu oluşturdu*", "* grubunu oluşturdunuz*", "{a} bu grubu oluşturdu*", "*أنشأ*المجموعة*", "*أنشأت*المجموعة*", "*建立了群組*", "*創建了群組*", "*创建了群组*", "*创建了群组*",
		"{a}がグループ「{v}」を作成しました*", "グループ「{v}」を作成しました*", "*그룹을 만들었습니다*", "*그룹*만들었습니다*", "{a} создал* группу*",
	}},
	{"number_changed", []string{
		"{a} changed their phone number to a new number*", "{a} changed to +{v}", "{a} changed their phone number*",
		"{a} hat eine neue telefonnummer*", "{a} hat zu +{v} gewechselt*", "{a} hat die telefonnummer gewechselt*",
		"{a} cambió su número de teléfono*", "{a} cambió a +{v}", "{a} a changé de numéro de téléphone*", "{a} a changé son numéro*", "{a} mudou de número*", "{a} mudou para +{v}", "{a} mudou seu número*",
		"{a} ha cambiato numero*", "{a} ha cambiato il proprio numero*", "{a} heeft een nieuw telefoonnummer*", "{a} is gewijzigd naar +{v}", "{a} telefon numarasını *değiştirdi*", "*غيّر*رقم هاتفه*", "*غير رقم هاتفه*",
		"*更改了*电话号码*", "*更改了*手机号码*", "*更換了電話號碼*", "*已更換電話號碼*", "*電話番号を変更しました*", "*전화번호를*변경했습니다*",
	}},
	{"subject_changed", []string{
		"{a} changed the subject from “*” to “{v}”", "{a} changed the subject from \"*\" to \"{v}\"", "{a} changed the subject to “{v}”", "{a} changed the subject to \"{v}\"", "{a} changed the group name from “*” to “{v}”",
		"{a} changed the group name from \"*\" to \"{v}\"", "{a} changed the group name to “{v}”", "{a} changed the group name to \"{v}\"", "{a} changed the group name*",
		"{a} hat den gruppennamen von „*“ zu „{v}“ geändert*", "{a} hat den gruppennamen zu „{v}“ geändert*", "{a} hat den gruppennamen von \"*\" zu \"{v}\" geändert*", "{a} hast den gruppennamen von \"*\" zu \"{v}\" geändert*", "{a} hat den gruppennamen * geändert*", "{a} hast den gruppennamen * geändert*", "{a} den betreff * geändert*",
		"{a} cambió el asunto*", "cambiaste el asunto*", "{a} cambió el nombre del grupo*", "cambiaste el nombre del grupo*", "{a} a changé le sujet*", "{a} a modifié le sujet*", "{a} a modifié le nom du groupe*", "{a} a changé le nom du groupe*", "vous avez * le nom du groupe*",
		"{a} mudou o assunto*", "{a} alterou o assunto*", "{a} mudou o nome do grupo*", "{a} mudou o título do grupo*", "mudou o assunto*", "{a} ha cambiato l'oggetto*", "{a} ha modificato l'oggetto*", "{a} ha cambiato il nome del gruppo*", "hai cambiato il nome del gruppo*", "hai cambiato l'oggetto*",
		"{a} heeft het onderwerp gewijzigd*", "{a} hebt het onderwerp gewijzigd*", "{a} heeft het groepsonderwerp gewijzigd*", "{a} hebt het groepsonderwerp gewijzigd*", "{a} heeft de groepsnaam * gewijzigd*", "{a} hebt de groepsnaam * gewijzigd*", "{a} grup adını*değiştirdi*", "{a} konuyu*değiştirdi*", "grup adını*değiştirdiniz*", "*غيّر*اسم المجموعة*", "*غيّر*الموضوع*", "*غير*اسم المجموعة*",
		"*将群组名称*", "*将主题*", "*更改了群组名称*", "*將群組名稱*", "*將主題*", "*グループ名を*変更しました*", "*件名を*変更しました*", "*그룹 이름을*변경했습니다*", "*제목을*변경했습니다*",
	}},
	{"description_changed", []string{
		"{a} changed the group description*", "{a} deleted the group description*", "{a} removed the group description*", "{a} changed this group's description*", "{a} hat die gruppenbeschreibung *", "{a} hast die gruppenbeschreibung *", "{a} cambió la descripción*", "cambiaste la descripción*", "{a} a modifié la description*", "{a} a changé la description*",
		"{a} mudou a descrição*", "{a} alterou a descrição*", "{a} ha cambiato la descrizione*", "{a} ha modificato la descrizione*", "hai cambiato la descrizione*", "{a} heeft de groepsbeschrijving *", "{a} hebt de groepsbeschrijving *", "{a} grup açıklamasını*", "*غيّر*وصف المجموعة*", "*群组描述*", "*群組描述*", "*グループの説明*", "*그룹 설명*",
	}},
	{"icon_changed", []string{
		"{a} changed this group's icon*", "{a} deleted this group's icon*", "{a} changed the group's icon*", "{a} hat das gruppenbild *", "{a} hast das gruppenbild *", "{a} cambió la imagen*", "{a} cambió el ícono*", "{a} cambió la foto del grupo*", "cambiaste el ícono*", "cambiaste la imagen*", "{a} eliminó la foto del grupo*",
		"{a} a changé l'icône*", "{a} a modifié l'icône*", "{a} a changé la photo du groupe*", "{a} mudou a imagem*", "{a} alterou a imagem*", "{a} mudou o ícone*", "{a} ha cambiato l'immagine*", "{a} ha modificato l'immagine*", "hai cambiato l'immagine*", "{a} heeft de groepsafbeelding *", "{a} hebt de groepsafbeelding *", "{a} grup simgesini*", "{a} grubun simgesini*", "*غيّر*صورة المجموعة*", "*غيّر*أيقونة المجموعة*",
		"*群组图标*", "*群組圖示*", "*グループのアイコン*", "*グループアイコン*", "*그룹 아이콘*", "*그룹 사진*",
	}},
	{"member_joined", []string{
		"{a} joined using this group's invite link*", "{a} joined using * invite*", "you joined using this group's invite link*", "{a} joined from the community*", "{a} joined this group*", "{a} requested to join*", "{a} joined the group*",
		"{a} ist der gruppe * beigetreten*", "{a} ist über * einladungslink* beigetreten*", "{a} ist beigetreten*", "{a} se unió usando*", "te uniste usando*", "{a} se unió*", "{a} a rejoint *", "vous avez rejoint *", "{a} entrou usando*", "{a} entrou no grupo*", "{a} juntou-se *", "{a} si è unito *", "{a} è entrat*", "ti sei unit* *",
		"{a} neemt deel via *", "{a} is deelnemer geworden via *", "{a} * uitnodigingslink*", "{a} * davet bağlantısı*katıldı*", "*davet bağlantısı*katıldınız*", "*انضم*باستخدام رابط*", "*通过*邀请链接加入*", "*透過*邀請連結加入*", "*使用*邀請連結加入*", "*招待リンク*参加しました*", "*초대 링크*참여했습니다*",
	}},
	{"admin_changed", []string{
		"you're now an admin*", "you're no longer an admin*", "{a} is now an admin*", "{a} is no longer an admin*", "{a} made {v} an admin*", "{a} dismissed {v} as admin*", "du bist jetzt * admin*", "du bist kein* admin mehr*", "{a} ist jetzt * admin*", "ahora eres admin*", "ya no eres admin*", "{a} ahora es admin*", "{a} ya no es admin*",
		"vous êtes désormais admin*", "vous êtes maintenant admin*", "vous n'êtes plus admin*", "{a} est * admin*", "agora você é * admin*", "você agora é * admin*", "você não é mais * admin*", "ora sei * amministratore*", "non sei più * amministratore*", "{a} bent nu * beheerder*", "{a} is nu * beheerder*", "{a} geen beheerder meer*", "artık yöneticisiniz*", "artık yönetici değilsiniz*",
		"*أنت الآن مشرف*", "*أصبحت مشرف*", "*您现在是管理员*", "*您現已是管理員*", "*您現在是管理員*", "*管理者になりました*", "*관리자가 되었습니다*", "*이제 관리자*",
	}},
	{"settings_changed", []string{
		"{a} changed this group's settings*", "{a} changed the group settings*", "{a} turned on admin approval*", "{a} turned off admin approval*", "{a} reset this group's invite link*", "this group has over 256 members*", "{a} hat die gruppeneinstellungen *", "{a} die einstellungen dieser gruppe *", "{a} genehmigung * für den beitritt *", "{a} cambió los ajustes*", "{a} cambió la configuración*", "cambiaste los ajustes*", "cambiaste la configuración*", "{a} activó la aprobación*", "{a} a modifié les paramètres*", "{a} a changé les paramètres*",
		"{a} mudou as configurações*", "{a} alterou as definições*", "{a} ha cambiato le impostazioni*", "{a} ha modificato le impostazioni*", "{a} heeft de groepsinstellingen *", "{a} hebt de groepsinstellingen *", "{a} heeft de instellingen van deze groep *", "{a} hebt de instellingen van deze groep *", "{a} grup ayarlarını*", "{a} bu grubun ayarlarını*", "*إعدادات*المجموعة*", "*群组设置*", "*群組設定*", "*グループ設定*", "*그룹 설정*",
	}},
	{"message_pinned", []string{
		"{a} pinned a message*", "{a} unpinned a message*", "{a} hat eine nachricht angeheftet*", "{a} hat eine nachricht fixiert*", "{a} hast eine nachricht fixiert*", "{a} fijó un mensaje*", "fijaste un mensaje*", "{a} a épinglé un message*", "vous avez épinglé un message*", "{a} fixou uma mensagem*", "{a} afixou uma mensagem*", "{a} ha fissato un messaggio*", "hai fissato un messaggio*", "{a} heeft een bericht vastgezet*", "{a} hebt een bericht vastgezet*", "{a} heeft een bericht vastgemaakt*", "{a} hebt een bericht vastgemaakt*", "{a} bir mesaj* sabitledi*",
		"*ثبّت*رسالة*", "*置顶了*消息*", "*置頂了*訊息*", "*メッセージをピン留めしました*", "*메시지를 고정했습니다*",
	}},
	{"contact_unblocked", []string{"you unblocked this contact*", "you unblocked this business*", "du hast diesen kontakt freigegeben*", "desbloqueaste a este contacto*", "desbloqueaste este contacto*", "vous avez débloqué ce contact*", "você desbloqueou este contato*", "desbloqueou este contacto*", "hai sbloccato questo contatto*", "{a} dit contact * gedeblokkeerd*", "{a} dit contact gedeblokkeerd*", "bu kişinin engelini kaldırdınız*", "لقد ألغيت حظر جهة الاتصال*", "您已取消*屏蔽*", "您已解除封鎖*", "*ブロックを解除しました*", "*차단을 해제했습니다*"}},
	{"contact_blocked", []string{"you blocked this contact*", "you blocked this business*", "du hast diesen kontakt blockiert*", "bloqueaste a este contacto*", "bloqueaste este contacto*", "vous avez bloqué ce contact*", "você bloqueou este contato*", "bloqueou este contacto*", "hai bloccato questo contatto*", "{a} dit contact geblokkeerd*", "bu kişiyi engellediniz*", "لقد حظرت جهة الاتصال*", "您已屏蔽*", "您已封鎖*", "*ブロックしました*", "*차단했습니다*"}},
	{"contact_notice", []string{"{a} is a contact", "{a} ist ein kontakt", "{a} es un contacto", "{a} fait partie de vos contacts", "{a} est un contact", "{a} é um contato", "{a} é um contacto", "{a} è un contatto", "{a} is een contact", "{a} is een contactpersoon", "{a} bir kişi*", "*جهة اتصال", "*已成为联系人*", "*是联系人*", "*是聯絡人*", "*連絡先です*", "*연락처입니다*"}},
	{"business_notice", []string{"this chat is with a business account*", "this business *", "this chat is with the official *", "dieser chat ist mit einem unternehmenskonto*", "dieses unternehmen *", "este chat es con una cuenta de empresa*", "cette discussion * compte professionnel*", "esta conversa é com uma conta comercial*", "questa chat è con un account business*", "deze chat is met een bedrijfsaccount*", "bu sohbet * işletme hesabı*"}},
	{"ai_notice", []string{"meta ai is an optional service*", "only messages that mention or people share with @*", "meta ai ist ein optionaler dienst*", "nur nachrichten, die @*"}},
	{"call_started", []string{"{a} started a call*", "{a} started a video call*", "{a} started a voice call*", "{a} hat einen anruf gestartet*", "{a} hat einen videoanruf gestartet*", "{a} inició una llamada*", "{a} inició una videollamada*", "{a} a démarré un appel*", "{a} iniciou uma chamada*", "{a} ha avviato una chiamata*", "{a} ha avviato una videochiamata*", "{a} heeft een gesprek gestart*", "{a} hebt een gesprek gestart*", "{a} bir arama başlattı*"}},
	{"member_left", []string{
		"{a} left the group", "{a} left", "you left", "you left the group", "{a} hat die gruppe verlassen", "du hast die gruppe verlassen", "{a} hast die gruppe verlassen", "{a} salió del grupo", "{a} salió", "saliste del grupo", "{a} ha salido del grupo", "has salido del grupo", "{a} abandonó el grupo", "{a} est parti*", "{a} a quitté le groupe", "{a} a quitté", "vous avez quitté le groupe", "vous êtes parti*",
		"{a} saiu", "{a} saiu do grupo", "você saiu", "saiu do grupo", "{a} ha abbandonato", "{a} ha abbandonato il gruppo", "hai abbandonato", "hai abbandonato il gruppo", "{a} ha lasciato il gruppo", "{a} è uscit*", "{a} heeft de groep verlaten", "{a} hebt de groep verlaten", "{a} gruptan ayrıldı", "{a} ayrıldı", "gruptan ayrıldınız", "{a} غادر", "{a} غادر المجموعة", "{a} غادرت*", "غادر {a}", "{a}退出了群组", "{a}已退出群组", "{a}退出了群組", "{a}已退出群組", "{a}已離開", "{a}离开了*", "{a}離開了*",
		"{a}が退出しました", "{a}がグループを退出しました", "{a}님이 나갔습니다", "{a}님이 그룹을 나갔습니다", "{a} вышел*", "{a} покинул*", "{a} opuścił* grupę", "{a} lämnade*", "{a} forlod*", "{a} poistui*",
	}},
	{"member_removed", []string{
		"{a} removed {v}", "you removed {v}", "you were removed*", "{v} was removed", "{a} hat {v} entfernt", "du hast {v} entfernt", "{v} wurde entfernt", "du wurdest entfernt", "{a} eliminó a {v}", "eliminaste a {v}", "{a} sacó a {v}", "{a} ha eliminado a {v}", "has eliminado a {v}", "te eliminó*", "{a} a retiré {v}", "vous avez retiré {v}", "{a} vous a retiré*", "{a} removeu {v}", "você removeu {v}", "{a} ha rimosso {v}", "hai rimosso {v}", "{a} ti ha rimosso*", "{a} heeft {v} verwijderd", "{a} hebt {v} verwijderd", "{v} is verwijderd",
		"{a}, {v} kişisini çıkardı", "{a} {v} adlı kişiyi çıkardı", "{v} kişisini çıkardınız", "{v} gruptan çıkarıldı", "{a} أزال {v}", "أزال {a}", "{a}移除了{v}", "{a}将{v}移出*", "{a}將{v}移*", "{a}が{v}を削除しました", "{a}님이 {v}님을 내보냈습니다*", "{a}님이 {v}님을 삭제했습니다*",
	}},
	{"member_added", []string{
		"{a} added {v}", "you added {v}", "you were added*", "{v} was added*", "{v} were added*", "{a} hat {v} hinzugefügt", "{a} hat dich hinzugefügt", "du hast {v} hinzugefügt", "{v} wurde hinzugefügt*", "{v} wurden hinzugefügt*", "du wurdest hinzugefügt*", "{a} añadió a {v}", "{a} agregó a {v}", "añadiste a {v}", "agregaste a {v}", "{a} te añadió*", "{a} te agregó*", "se añadió a {v}", "se agregó a {v}", "{a} ha añadido a {v}", "has añadido a {v}",
		"{a} a ajouté {v}", "vous avez ajouté {v}", "{a} vous a ajouté*", "{v} a été ajouté*", "{a} adicionou {v}", "você adicionou {v}", "adicionou {v}", "{v} foi adicionad*", "você foi adicionad*", "{a} ha aggiunto {v}", "hai aggiunto {v}", "{a} ti ha aggiunto*", "{v} è stat* aggiunt*", "{a} heeft {v} toegevoegd", "{a} hebt {v} toegevoegd", "{v} is toegevoegd*", "{v} bent toegevoegd*", "{a}, {v} kişisini ekledi", "{a} {v} adlı kişiyi ekledi", "{v} kişisini eklediniz", "{a} sizi ekledi*", "{v} eklendi", "{a} أضاف {v}", "أضاف {a}", "تمت إضافة {v}", "{a}添加了{v}", "{a}新增了{v}", "{a}加入了{v}", "已添加{v}",
		"{a}が{v}を追加しました", "{v}を追加しました", "{v}が追加されました", "{a}님이 {v}님을 추가했습니다", "{v}님이 추가되었습니다", "{v}님을 추가했습니다", "{a} добавил* {v}", "{a} dodał* {v}",
	}},
	{"waiting", []string{"waiting for this message*", "auf diese nachricht warten*", "warten auf diese nachricht*", "esperando este mensaje*", "esperando el mensaje*", "en attente de ce message*", "aguardando mensagem*", "aguardando esta mensagem*", "in attesa del messaggio*", "in attesa di questo messaggio*", "wachten op dit bericht*", "wachten op deze berichten*", "bu mesaj bekleniyor*", "في انتظار هذه الرسالة*", "正在等待此消息*", "正在等待此訊息*", "このメッセージを待っています*", "메시지를 기다리는 중*"}},
}

// deletedForms stand in place of a message that its sender withdrew.
var deletedForms = []string{
	"this message was deleted", "message deleted", "diese nachricht wurde gelöscht", "se eliminó este mensaje", "este mensaje fue eliminado", "mensaje eliminado", "este mensaje se eliminó", "ce message a été supprimé", "message supprimé",
	"esta mensagem foi apagada", "mensagem apagada", "esta mensagem foi eliminada", "esta mensagem foi apagada pelo remetente", "questo messaggio è stato eliminato", "messaggio eliminato", "dit bericht is verwijderd", "dit bericht werd verwijderd", "bu mesaj silindi", "تم حذف هذه الرسالة", "这条消息已被删除", "这条消息已删除", "此消息已被删除", "此消息已删除", "信息已删除", "此訊息已刪除", "このメッセージは削除されました", "이 메시지는 삭제되었습니다", "삭제된 메시지입니다",
	"данное сообщение удалено", "сообщение удалено", "це повідомлення було видалено", "ta wiadomość została usunięta", "det här meddelandet raderades", "detta meddelande raderades", "denne besked er blevet slettet", "denne besked blev slettet", "denne meldingen ble slettet", "tämä viesti poistettiin", "tato zpráva byla smazána", "tato zpráva byla odstraněna", "táto správa bola odstránená",
	"ez az üzenet törlésre került", "acest mesaj a fost șters", "αυτό το μήνυμα διαγράφηκε", "הודעה זו נמחקה", "यह मैसेज डिलीट कर दिया गया है", "pesan ini dihapus", "pesan ini telah dihapus", "mesej ini telah dipadam", "tin nhắn này đã bị xóa", "tin nhắn này đã bị xoá", "ข้อความนี้ถูกลบแล้ว", "ข้อความนี้ได้ถูกลบ", "aquest missatge s'ha suprimit", "ova je poruka izbrisana", "این پیام حذف شده است", "این پیام حذف شد",
}

// deletedSelfForms stand in place of a message that the exporter withdrew: they tell whose copy it is.
var deletedSelfForms = []string{
	"you deleted this message", "du hast diese nachricht gelöscht", "eliminaste este mensaje", "has eliminado este mensaje", "vous avez supprimé ce message", "você apagou esta mensagem", "apagou esta mensagem", "eliminou esta mensagem", "apagaste esta mensagem", "hai eliminato questo messaggio",
	"u hebt dit bericht verwijderd", "je hebt dit bericht verwijderd", "bu mesajı sildiniz", "bu mesajı sildin", "لقد حذَفت هذه الرسالة", "لقد حذفت هذه الرسالة", "أنت حذفت هذه الرسالة", "您已删除这条消息", "您删除了这条消息", "您已删除此消息", "您删除这个信息", "您已刪除此訊息", "您刪除了此訊息", "このメッセージを削除しました", "이 메시지를 삭제했습니다", "삭제한 메시지입니다",
	"вы удалили данное сообщение", "вы удалили это сообщение", "ви видалили це повідомлення", "usunąłeś(-ęłaś) tę wiadomość", "usunięto tę wiadomość", "du raderade det här meddelandet", "du raderade detta meddelande", "du har slettet denne besked", "du slettede denne besked", "du slettet denne meldingen", "poistit tämän viestin", "tuto zprávu jste smazal/a", "túto správu ste odstránili",
	"törölted ezt az üzenetet", "ezt az üzenetet törölted", "ați șters acest mesaj", "διαγράψατε αυτό το μήνυμα", "מחקת הודעה זו", "מחקת את ההודעה הזו", "आपने यह मैसेज डिलीट किया", "anda menghapus pesan ini", "anda telah menghapus pesan ini", "anda telah memadamkan mesej ini", "bạn đã xóa tin nhắn này", "คุณได้ลบข้อความนี้", "has suprimit aquest missatge", "izbrisali ste ovu poruku", "شما این پیام را حذف کردید",
}

// deletedAdminForms stand in place of a message that a group's administrator withdrew.
var deletedAdminForms = []string{
	"this message was deleted by an admin", "this message was deleted by admin {v}", "you deleted this message as admin", "diese nachricht wurde von admin {v} gelöscht", "diese nachricht wurde von einem admin gelöscht", "du hast diese nachricht als admin gelöscht",
	"el admin. {v} eliminó este mensaje", "un admin. eliminó este mensaje", "este mensaje lo eliminó el admin*", "ce message a été supprimé par *admin*", "esta mensagem foi apagada por um admin*", "esta mensagem foi apagada pelo admin*", "questo messaggio è stato eliminato da*amministratore*", "dit bericht is verwijderd door *beheerder*",
}

// editedForms stand in angle brackets behind a text that was edited.
var editedForms = []string{
	"this message was edited", "message edited", "diese nachricht wurde bearbeitet", "nachricht bearbeitet", "se editó este mensaje", "mensaje editado", "ce message a été modifié", "mensagem editada", "esta mensagem foi editada", "questo messaggio è stato modificato", "messaggio modificato", "dit bericht is bewerkt", "bu mesaj düzenlendi",
	"تم تعديل هذه الرسالة", "此消息已编辑", "这条消息已编辑", "此訊息已編輯", "已編輯此訊息", "このメッセージは編集されました", "メッセージが編集されました", "이 메시지는 수정되었습니다", "이 메시지가 수정되었습니다", "이 메시지는 편집되었습니다", "данное сообщение изменено", "сообщение изменено", "wiadomość edytowana", "det här meddelandet har redigerats", "tätä viestiä muokattiin",
}

// attachedForms stand before or after the name of a file that came with a message.
var attachedForms = []string{
	"attached", "file attached", "anhang", "angehängt", "datei angehängt", "adjunto", "archivo adjunto", "archivo adjuntado", "pièce jointe", "joint", "fichier joint", "anexo", "anexado", "arquivo anexado", "ficheiro anexado", "allegato", "file allegato", "bijgevoegd", "bijlage", "bestand bijgevoegd", "eklendi", "dosya ekli", "ekli dosya",
	"المُرفق", "مرفق", "الملف مرفق", "附件", "文件附件", "附件檔案", "添付ファイル", "添付", "添付ファイル有り", "첨부됨", "첨부", "파일 첨부됨", "прикреплено", "вложение", "файл добавлен", "додано", "файл додано", "załączono", "załączony plik", "bifogat", "bifogad fil", "vedhæftet", "fil vedhæftet", "vedlagt", "vedlagt fil", "liite", "liitetiedosto", "příloha", "soubor byl přiložen",
	"príloha", "súbor pripojený", "csatolva", "csatolmány", "fájl csatolva", "atașare", "fișier atașat", "επισυνάφθηκε", "συνημμένο αρχείο", "מצורף", "קובץ מצורף", "अटैच किया गया", "फाइल अटैच कर दी गई है", "terlampir", "file terlampir", "dilampir", "fail dilampirkan", "đính kèm", "tệp đính kèm", "แนบ", "ไฟล์ที่แนบ", "adjunt", "arxiu adjunt", "priloženo", "datoteka u privitku", "پیوست", "پیوست شد",
}

// omitted are the texts that stand in place of media which the export left out, by what was left out.
// On Android the text is in angle brackets and does not say what it was.
var omitted = []phrase{
	{"media", []string{"media omitted", "medien ausgeschlossen", "medien weggelassen", "medien ausgelassen", "multimedia omitido", "archivo omitido", "médias omis", "fichier omis", "média omis", "mídia oculta", "mídia omitida", "arquivo de mídia oculto", "ficheiro não revelado", "media omessi", "media omesso", "media esclusi", "media weggelaten", "medya atlanmış", "medya dahil edilmedi", "تم استبعاد الوسائط", "媒体省略", "媒体文件已省略", "省略多媒体文件", "忽略多媒體檔", "省略多媒體檔案", "已忽略多媒體檔案", "メディアは含まれていません", "미디어 파일을 생략한 대화내용", "미디어 파일 제외됨",
		"без медиафайлов", "файл пропущен", "медіа пропущено", "pliki pominięto", "multimedia pominięto", "media har utelämnats", "mediefil udeladt", "uten vedlegg", "media jätetty pois", "média vynechána", "médiá vynechané", "hiányzó médiafájl", "conținut media omis", "εξαίρεση πολυμέσων", "המדיה לא נכללה", "מדיה הושמטה", "मीडिया के बिना", "media tidak disertakan", "media disingkirkan", "bỏ qua media", "สื่อถูกลบ", "mitjans omesos", "medijski zapis izostavljen"}},
	{"image", []string{"image omitted", "bild weggelassen", "imagen omitida", "image absente", "image omise", "imagem ocultada", "imagem oculta", "imagem omitida", "imagem não revelada", "immagine omessa", "afbeelding weggelaten", "görüntü dahil edilmedi", "لم يتم إدراج الصورة", "图片已省略", "图像已忽略", "照片已忽略", "圖片已略去", "圖片已省略", "圖像已省略", "画像は含まれていません", "画像は省略されました", "이미지 생략됨", "изображение отсутствует", "зображення відсутнє", "obraz pominięty", "bild utesluten", "billede udeladt", "bilde ikke inkludert", "ei kuvaa", "obrázek vynechán", "obrázok vynechaný", "kép küldése sikertelen", "imagine omisă", "εικόνα παραλείφθηκε", "התמונה הושמטה", "फ़ोटो हटाई गई", "gambar tidak disertakan", "imej tidak dimasukkan", "đã bỏ qua hình ảnh", "ไม่มีรูปภาพ", "imatge omesa", "slika izostavljena", "تصویر حذف شد"}},
	{"video", []string{"video omitted", "video weggelassen", "video omitido", "vídeo omitido", "vidéo absente", "vidéo omise", "vídeo ocultado", "vídeo não revelado", "video omesso", "video weggelaten", "video dahil edilmedi", "لم يتم إدراج الفيديوهات", "لم يتم إدراج الفيديو", "视频已省略", "视频已忽略", "影片已略去", "影片已省略", "ビデオは含まれていません", "動画は省略されました", "비디오 생략됨", "동영상 생략됨", "видео отсутствует", "відео відсутнє", "wideo pominięte", "video utesluten", "video udeladt", "video utelatt", "videota ei sisällytetä", "video vynecháno", "video vynechané", "videó kihagyva", "clip video omis", "βίντεο παραλείφθηκε", "סרטון הווידאו הושמט", "वीडियो छोड़ा गया", "video tidak disertakan", "đã bỏ video", "วิดีโอถูกลบ", "vídeo omès", "video izostavljen", "ویدیو حذف شد"}},
	{"video", []string{"video message omitted", "video note omitted", "videonachricht weggelassen", "videonotiz weggelassen", "videonotiz ausgelassen", "nota de video omitida", "note vidéo absente", "recado de vídeo ocultado", "videomessaggio omesso", "videonotitie weggelaten", "görüntülü not çıkarıldı", "görüntülü not dahil edilmedi"}},
	{"audio", []string{"audio omitted", "audio weggelassen", "audio omitido", "audio omis", "audio absent", "áudio ocultado", "áudio omitido", "ficheiro de áudio não revelado", "audio omesso", "audio weggelaten", "ses dahil edilmedi", "لم يتم إدراج المقاطع الصوتية", "音频已省略", "音频已忽略", "音訊已略去", "音訊已省略", "語音訊息已省略", "音声は含まれていません", "音声は省略されました", "오디오 생략됨", "аудиофайл отсутствует", "аудио отсутствует", "аудіо відсутнє", "audio pominięte", "ljud utelslutet", "ljud uteslutet", "lyd udeladt", "lyd utelatt", "äänitiedostoa ei sisällytetä", "zvukový soubor vynechán", "zvuk vynechaný", "hang kihagyása", "fără audio", "ήχος παραλείφθηκε", "קטע קול הושמט", "ऑडियो हटाई गयी", "audio tidak disertakan", "bỏ qua tệp âm thanh", "ไม่มีไฟล์เสียง", "àudio omès", "zvuk izostavljen", "صدا حذف شد"}},
	{"sticker", []string{"sticker omitted", "sticker weggelassen", "sticker omitido", "sticker omis", "sticker absent", "autocollant omis", "figurinha omitida", "figurinha não incluída", "sticker não revelado", "autocolante não incluído", "sticker non incluso", "sticker omesso", "adesivo omesso", "sticker weggelaten", "çıkartma dahil edilmedi", "تم حذف الملصقات", "贴图已省略", "貼圖已略去", "貼圖已忽略", "貼圖已省略", "スタンプは含まれていません", "ステッカーは省略されました", "스티커 제외됨", "스티커 생략됨", "стикер не добавлен", "стикер отсутствует", "наклейку не додано", "pominięto naklejkę", "sticker utesluten", "klistermærke udeladt", "klistremerke utelatt", "tarraa ei sisällytetty", "nálepka vynechána", "nálepka vynechaná", "matrica kihagyva", "αυτοκόλλητο παραλήφθηκε", "סטיקר הושמט", "स्टिकर छोड़ा गया", "stiker tidak disertakan", "đã bỏ sticker", "ไม่มีสติกเกอร์", "adhesiu omès", "naljepnica izostavljena"}},
	{"gif", []string{"gif omitted", "gif weggelassen", "gif omitido", "gif retiré", "gif omis", "gif omitida", "gif ocultado", "gif não revelada", "gif esclusa", "gif omessa", "gif weggelaten", "gif dahil edilmedi", "لم يتم إدراج صورة gif", "gif 动态图已被忽略", "gif已省略", "gif 已略去", "gif 圖片已被省略", "gifは含まれていません", "gif 생략됨", "gif отсутствует", "gif-анімацію пропущено", "plik gif pominięty", "gif utesluten", "gif udeladt", "gif utelatt", "gif-animaatio jätetty pois", "gif vynechán", "gif vynechaný", "gif fájl kihagyása", "παράληψη gif", "gif הושמט", "gif छोड़ा गया", "gif tidak disertakan", "đã bỏ qua ảnh gif", "ละเว้น gif", "gif omès", "gif izostavljen"}},
	{"contact", []string{"contact card omitted", "kontaktkarte ausgelassen", "kontaktkarte weggelassen", "tarjeta de contacto omitida", "fiche contact manquante", "fiche contact absente", "cartão do contato omitido", "contacto não revelado", "scheda contatto omessa", "visitekaartje weggelaten", "contactkaart weggelaten", "kişi kartı dahil edilmedi", "لم يتم إدراج بطاقة جهة اتصال", "联系人卡片已忽略", "联系人卡片已省略", "聯絡人卡片已略去", "聯絡人卡片已省略", "連絡先カードを省略", "연락처 카드 생략됨", "карточка контакта отсутствует", "картка контакту відсутня", "pominięta wizytówka kontaktu", "kontaktkort uteslutet", "kontaktkort udeladt", "kontaktkort sløyfet", "yhteystietokortti jätettiin pois", "vizitka vynechána", "névjegykártya kihagyva", "carte de vizită contact omisă", "כרטיס איש קשר הושמט", "kartu kontak tidak disertakan", "targeta de contacte omesa"}},
	{"document", []string{"document omitted", "dokument weggelassen", "documento omitido", "document manquant", "document omis", "documento ocultado", "documento não revelado", "documento omesso", "document weggelaten", "belge dahil edilmedi", "لم يتم إدراج المستند", "文档已省略", "文件已省略", "文件已略去", "文件已忽略", "ドキュメントは含まれていません", "文書は省略されました", "문서 생략됨", "документ отсутствует", "документ пропущено", "dokument pominięty", "dokument uteslutet", "dokument udeladt", "utelatt dokument", "dokumenttia ei sisällytetä", "dokument vynechán", "dokument vynechaný", "dokumentum kihagyva", "έγγραφο παραλείφθηκε", "מסמך הושמט", "डॉक्यूमेंट छोड़ा गया", "dokumen tidak disertakan", "đã bỏ qua tài liệu", "ละเว้นเอกสาร", "document omès", "dokument izostavljen"}},
}

// viewOnceForms stand in place of media that could be looked at once.
var viewOnceForms = []string{
	"view once photo omitted", "view once video omitted", "view once voice message omitted", "view once message omitted", "view once media omitted", "photo (view once)", "einmal-foto weggelassen", "einmal-video weggelassen",
}

// liveForms say that somebody shared where they are for a while; no export says where.
var liveForms = []string{
	"live location shared", "live-standort wird geteilt", "ubicación en tiempo real compartida", "localisation en direct partagée", "localização atual compartilhada", "localização em tempo real compartilhada", "está a partilhar a sua localização", "posizione attuale condivisa", "posizione in tempo reale condivisa", "live locatie gedeeld", "livelocatie gedeeld", "mevcut konum paylaşıldı", "canlı konum paylaşıldı", "تمت مشاركة الموقع المباشر", "共享实时位置", "已共享实时位置", "實時位置已分享", "ライブロケーション共有", "공유한 실시간 위치", "геоданные отправлены", "геодані надіслано", "udostępniona transmisja położenia", "liveposition delad", "live placering delt", "posisjon i sanntid delt", "live-sijainti jaettu",
}

// calls are the lines that calls leave, by medium and outcome. A star is a duration.
var calls = []phrase{
	{"voice missed", []string{"missed voice call", "missed voice call*", "missed call", "missed group voice call*", "silenced voice call*", "silenced missed voice call*", "verpasster sprachanruf*", "llamada perdida*", "llamada de voz perdida*", "appel vocal manqué*", "chamada de voz perdida*", "ligação de voz perdida*", "chiamata vocale persa*", "gemist spraakgesprek*", "gemiste spraakoproep*", "gemiste oproep*", "cevapsız sesli arama*", "مكالمة صوتية فائتة*", "未接语音通话*", "未接語音通話*", "音声通話不在着信*", "不在着信*", "부재중 전화*", "부재중 음성통화*", "пропущенный аудиозвонок*", "пропущений аудіодзвінок*", "nieodebrane poł. głosowe*", "nieodebrane połączenie*", "missat röstsamtal*", "ubesvaret taleopkald*", "tapt taleanrop*", "vastaamaton äänipuhelu*"}},
	{"video missed", []string{"missed video call*", "missed group video call*", "silenced video call*", "verpasster videoanruf*", "videollamada perdida*", "appel vidéo manqué*", "videochamada perdida*", "chamada de vídeo perdida*", "ligação de vídeo perdida*", "videochiamata persa*", "gemist videogesprek*", "gemiste video-oproep*", "cevapsız görüntülü arama*", "مكالمة فيديو فائتة*", "未接视频通话*", "未接視像通話*", "未接視訊通話*", "ビデオ通話不在着信*", "부재중 영상통화*", "пропущенный видеозвонок*", "пропущений відеодзвінок*", "nieodebrane poł. wideo*", "missat videosamtal*", "ubesvaret videoopkald*", "tapt videoanrop*", "vastaamaton videopuhelu*"}},
	{"voice no_answer", []string{"voice call. no answer", "voice call, no answer", "sprachanruf. keine antwort", "sprachanruf, keine antwort", "llamada, sin respuesta", "llamada de voz. sin respuesta", "llamada de voz, sin respuesta", "appel vocal. aucune réponse", "appel vocal, sans réponse", "appel vocal, pas de réponse", "chamada de voz. não atendida", "ligação de voz. não atendida", "chiamata vocale. nessuna risposta", "chiamata vocale, nessuna risposta", "spraakoproep. geen antwoord", "spraakoproep, geen antwoord", "sesli arama. cevap yok", "sesli arama, cevap yok"}},
	{"video no_answer", []string{"video call. no answer", "video call, no answer", "videoanruf. keine antwort", "videoanruf, keine antwort", "videollamada. sin respuesta", "videollamada, sin respuesta", "appel vidéo. aucune réponse", "appel vidéo, sans réponse", "videochamada. não atendida", "videochiamata. nessuna risposta", "videochiamata, nessuna risposta", "video-oproep. geen antwoord", "video-oproep, geen antwoord", "görüntülü arama. cevap yok", "görüntülü arama, cevap yok"}},
	{"voice answered", []string{"voice call, {v}", "voice call. {v}", "voice call", "sprachanruf, {v}", "sprachanruf. {v}", "sprachanruf", "llamada, {v}", "llamada de voz. {v}", "llamada de voz, {v}", "appel vocal, {v}", "appel vocal. {v}", "chamada de voz, {v}", "chamada de voz. {v}", "ligação de voz, {v}", "chiamata vocale, {v}", "chiamata vocale. {v}", "spraakoproep, {v}", "spraakoproep. {v}", "spraakgesprek, {v}", "sesli arama, {v}", "sesli arama. {v}", "مكالمة صوتية، {v}", "语音通话，{v}", "語音通話，{v}", "音声通話、{v}", "음성통화, {v}"}},
	{"video answered", []string{"video call, {v}", "video call. {v}", "video call", "videoanruf, {v}", "videoanruf. {v}", "videoanruf", "videollamada, {v}", "videollamada. {v}", "appel vidéo, {v}", "appel vidéo. {v}", "videochamada, {v}", "videochamada. {v}", "chamada de vídeo, {v}", "videochiamata, {v}", "videochiamata. {v}", "video-oproep, {v}", "video-oproep. {v}", "videogesprek, {v}", "görüntülü arama, {v}", "görüntülü arama. {v}", "مكالمة فيديو، {v}", "视频通话，{v}", "視訊通話，{v}", "ビデオ通話、{v}", "영상통화, {v}"}},
}

// titleForms are the names that the apps give to an export: the rest is the chat's name.
var titleForms = []string{
	"whatsapp chat - {v}", "whatsapp chat with {v}", "whatsapp-chat mit {v}", "whatsapp chat mit {v}", "whatsapp-chat - {v}", "chat de whatsapp con {v}", "chat de whatsapp - {v}", "discussion whatsapp avec {v}", "discussion whatsapp - {v}", "conversa do whatsapp com {v}", "conversa do whatsapp - {v}", "chat do whatsapp com {v}", "chat whatsapp con {v}", "chat di whatsapp con {v}", "chat whatsapp - {v}", "whatsapp-chat met {v}", "whatsapp chat met {v}",
	"whatsapp sohbeti - {v}", "{v} ile whatsapp sohbeti", "whatsapp {v} ile sohbet", "دردشة واتساب مع {v}", "محادثة واتساب مع {v}", "دردشة whatsapp مع {v}", "与{v}的 whatsapp 聊天", "与 {v} 的 whatsapp 聊天", "與{v}的 whatsapp 對話", "「{v}」的 whatsapp 對話", "{v}とのwhatsappチャット", "whatsappチャット - {v}", "{v}님과 whatsapp 대화", "whatsapp 대화 - {v}", "чат whatsapp с {v}", "чат whatsapp с контактом {v}", "czat whatsapp z {v}", "whatsapp-chatt med {v}", "whatsapp-chat med {v}", "whatsapp chat med {v}",
}
